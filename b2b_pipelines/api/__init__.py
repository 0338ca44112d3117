"""The HTTP API and the contract manager's pages: one router a feature, over the same services as the commands."""
