"""The decision on a basket, in general: over all baskets of a few products, codes and contracts."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from b2b_pipelines.checkout.rules import Item, Offer, Quote, Reason, Standing, quote
from b2b_pipelines.learners.rules import Place

CONTRACTS = (7, 8)
money = st.sampled_from([Decimal(0), Decimal("9.90"), Decimal(100)])
likely = st.sampled_from([True] * 12 + [False])
seldom = likely.map(lambda yes: not yes)
places = st.builds(Place, st.booleans(), likely, st.none() | st.integers(2, 3), st.integers(0, 2))
standings_of = st.builds(Standing, st.booleans(), places)


@st.composite
def baskets(draw):
    """`(products, codes, items, offers, standings)`, mostly such as might be allowed: for most products a code of theirs
    is offered. Product 4 and code z are not known."""
    items = {
        product: Item(
            product, draw(money), draw(likely), draw(st.sampled_from([None, *CONTRACTS])), draw(seldom), draw(likely)
        )
        for product in (1, 2, 3)
    }
    offers, offered = {}, []
    products = draw(st.lists(st.sampled_from([1, 2, 3] * 4 + [4]), max_size=3))
    for product in products:
        item = items.get(product)
        if item is not None and item.contract_id is not None and draw(likely):
            contract = item.contract_id if draw(likely) else draw(st.sampled_from(CONTRACTS))
            code = f"code-{len(offers)}"
            offers[code] = Offer(code, product if draw(likely) else 3, contract, draw(money), draw(likely))
            offered.append(code)
    if draw(seldom):
        offered.append("z")
    return products, offered, items, offers, {contract: draw(standings_of) for contract in CONTRACTS}


def decide(basket) -> Quote:
    return quote(*basket)


@settings(max_examples=300)
@given(baskets())
def test_an_allowed_basket_breaks_no_rule(basket):
    products, codes, items, offers, standings = basket
    decided = decide(basket)
    if not decided.allowed:
        return
    assert [line.product for line in decided.lines] == list(dict.fromkeys(products)) != []
    contracts = {items[product].contract_id for product in products} - {None}
    free_for_members = all(standings[contract].free and standings[contract].place.attached for contract in contracts)
    for line in decided.lines:
        item = items[line.product]
        assert item.active
        assert not item.enrolled
        assert item.run_open or item.contract_id is None
        if line.code is not None:
            offer = offers[line.code]
            assert (offer.product_id, offer.contract_id, offer.valid) == (item.product_id, item.contract_id, True)
            assert line.amount == offer.amount
        else:
            assert item.contract_id is None or free_for_members
            assert line.amount == item.price
        if item.contract_id is not None:
            place = standings[item.contract_id].place
            assert place.open
            assert place.attached or not place.full
    assert all(code in offers and offers[code].valid for code in codes)
    assert decided.total == sum(line.amount for line in decided.lines)


@given(baskets())
def test_a_refused_basket_says_why_and_each_reason_once(basket):
    decided = decide(basket)
    if decided.allowed:
        return
    assert decided.lines == ()
    assert decided.total == 0
    assert len(set(decided.refusals)) == len(decided.refusals)
    for refusal in decided.refusals:
        assert (refusal.code is None) == (refusal.error_code != Reason.INVALID_CODE)
        if refusal.error_code != Reason.EMPTY_BASKET:
            assert refusal.product in basket[0] or refusal.code in basket[1]


@given(baskets(), st.randoms(use_true_random=False))
def test_the_order_of_a_basket_does_not_matter(basket, chance):
    products, codes, *known = basket
    shuffled = chance.sample(products, len(products)), chance.sample(codes, len(codes))
    one, other = decide(basket), quote(*shuffled, *known)
    assert set(one.refusals) == set(other.refusals)
    assert {line.product for line in one.lines} == {line.product for line in other.lines}


@given(baskets())
def test_asking_twice_for_a_product_or_with_a_code_changes_nothing(basket):
    products, codes, *known = basket
    assert quote(products * 2, codes * 2, *known) == decide(basket)


def test_the_first_of_two_valid_codes_is_used():
    items = {1: Item(1, Decimal(5), True, 7, False)}
    offers = {code: Offer(code, 1, 7, Decimal(amount), True) for code, amount in (("a", 3), ("b", 4))}
    standings = {7: Standing(False, Place(False, True, None, 0))}
    assert [line.code for line in quote([1], ["b", "a"], items, offers, standings).lines] == ["b"]
