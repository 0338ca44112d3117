"""Print the state diagram of checkout intents, which `docs/checkout-intents.md` holds: `python -m tests.intents.diagram`."""

from b2b_pipelines.intents.rules import TRANSITIONS, IntentState, Trigger


def state_diagram() -> str:
    """Return `TRANSITIONS` as a Mermaid state diagram."""
    labels: dict[tuple[IntentState, IntentState], list[Trigger]] = {}
    for each in TRANSITIONS:
        labels.setdefault((each.before, each.after), []).append(each.trigger)
    steps = [f"    {before} --> {after}: {', or '.join(triggers)}" for (before, after), triggers in labels.items()]
    ends = [f"    {state} --> [*]" for state in IntentState if not any(each.before is state for each in TRANSITIONS)]
    return "\n".join(["stateDiagram-v2", "    [*] --> created: the learner reserved", *steps, *ends])


if __name__ == "__main__":
    print(state_diagram())
