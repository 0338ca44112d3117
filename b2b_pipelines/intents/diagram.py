"""Print the state diagram: `python -m b2b_pipelines.intents.diagram`.

`docs/checkout-intents.md` holds it.
"""

from b2b_pipelines.intents.rules import state_diagram

if __name__ == "__main__":
    print(state_diagram())
