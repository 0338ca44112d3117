"""`python -m b2b_pipelines.intents.diagram` prints the state diagram that `docs/checkout-intents.md` holds."""

from b2b_pipelines.intents.rules import state_diagram

if __name__ == "__main__":
    print(state_diagram())
