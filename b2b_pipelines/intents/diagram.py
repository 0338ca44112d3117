"""Print the state diagram of `docs/checkout-intents.md` (`python -m b2b_pipelines.intents.diagram`)."""

from b2b_pipelines.intents.rules import state_diagram

if __name__ == "__main__":
    print(state_diagram())
