"""Histories of one text that meet: what was made apart is merged as three texts, the same on every device, once."""

from __future__ import annotations

import random
import re

import pytest
from appends import Room
from effort import many
from meetings import Author, Lister, Node, come_to_rest, exchange, run, write_together

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.joined import Side, join, lacking, repair
from yp2p.documents.meeting import Meeting, meeting_of
from yp2p.documents.text import TextReplica, imported
from yp2p.protocol.clients import Writer, client_id_from
from yp2p.protocol.dependencies import check_update
from yp2p.protocol.update_merge import Block, encode_update


def _nodes(text: str, *changes: str) -> list[Node]:
    nodes = [Node(number, text) for number in range(len(changes))]
    for node, change in zip(nodes, changes, strict=True):
        node.save(change)
    return nodes


def _one_that_heard_of_a_line_as_deleted() -> tuple[Node, Node]:
    """And one that has that line, and changed it."""
    remover, holder, late = (Node(number, "a one\nz last\n") for number in range(3))
    remover.save("a one\nb😀 two\nz last\n")
    exchange(remover, holder)
    remover.save("a one\nz last\n")
    exchange(remover, late)
    holder.save("a one\nb😀 two and more\nz last\n")
    late.save("a one\nz last\nlate\n")
    return late, holder


def test_who_heard_of_a_line_only_as_deleted_asks_who_has_it_before_anything_is_merged() -> None:
    late, holder = _one_that_heard_of_a_line_as_deleted()
    late.receive(holder.answer(late))
    assert late.asked == 1
    assert late.text() == "a one\nb😀 two and more\nz last\nlate\n"
    exchange(late, holder)
    assert holder.text() == late.text()
    assert holder.replica.version() == late.replica.version()


def test_what_was_asked_for_gives_both_texts() -> None:
    late, holder = _one_that_heard_of_a_line_as_deleted()
    message = holder.answer(late)
    there = message.side
    assert lacking([*late.log, *message.updates], late.side(), there)
    again = holder.answer(late, lacking([*late.log, *message.updates], late.side(), there))
    found = join([*late.log, *message.updates], late.side(), there, said=again.updates)
    assert found is not None
    assert found.theirs == holder.text()
    assert found.ours == late.text()


@pytest.mark.parametrize("who_is_first", ["late", "holder"])
@pytest.mark.parametrize(
    ("start", "ours", "theirs", "merged"),
    [
        ("run = 1", "run = 3", "run = 2", "run = 3"),
        ("the red house is big", "the green house is big", "the blue house is big", "the green house is big"),
    ],
)
def test_what_was_asked_for_is_no_shared_past(
    start: str, ours: str, theirs: str, merged: str, who_is_first: str
) -> None:
    """Both changed a word; the answer says it again with what is known here, and the base has it all the same."""

    def text(word: str, line: str = "") -> str:
        return f"a one\n{line}1\n2\n3\n4\n{word}\nz last\n"

    remover, holder, late = (Node(number, text(start)) for number in range(3))
    remover.save(text(start, "b two words of some length here\n"))
    exchange(remover, holder)
    remover.save(text(start))
    exchange(remover, late)
    holder.save(text(start, "b two words of some length here and more\n"))
    holder.save(text(theirs, "b two words of some length here and more\n"))
    late.save(text(ours))
    first, second = (late, holder) if who_is_first == "late" else (holder, late)
    first.receive(second.answer(first))
    assert late.asked == (who_is_first == "late")
    stands = first.text()
    exchange(first, second)
    assert late.text() == holder.text() == stands
    words = [line for line in stands.splitlines() if line.split(" ")[0] in ("run", "the")]
    assert words in ([merged], [theirs]), "one of both, and never a mixture"


@pytest.mark.parametrize(("behind", "is_cut"), [("😀yy", True), ("x😀y", False)])
def test_half_a_character_is_no_text(behind: str, is_cut: bool) -> None:
    """Two texts are said for what was deleted, and where the first one ends the other one has half of a pair."""
    client = Writer.SAVED.client_id(77)
    mine = TextReplica.from_updates(1, [imported("a\n")])
    deleted = Block(client, 0, 6, None, None, False, [])
    said = Block.of_text(client, None, None, "qqq"), Block(client, 2, 4, (client, 1), None, True, [behind.encode()])
    sides = Side({**mine.clocks(), client: 6}, [(client, 0, 6)]), Side({**mine.clocks(), client: 6}, [])
    updates = [mine.state(), *(encode_update([block], []) for block in (deleted, *said))]
    assert (join(updates[:2], *sides, said=updates[2:]) is None) == is_cut


@pytest.mark.parametrize("count", [2, 3])
def test_the_same_change_made_apart_comes_once(count: int) -> None:
    for seed in range(many(60)):
        rng = random.Random(seed)
        author = Author(rng)
        text = author.text()
        new = author.change(text)
        nodes = _nodes(text, *[new] * count)
        come_to_rest(nodes, rng)
        assert nodes[0].text() == new, seed


def test_of_two_values_of_one_number_one_stands() -> None:
    one, two = _nodes('{"run": 3, "list": [4]}\n', '{"run": 4, "list": [5]}\n', '{"run": 5, "list": [7]}\n')
    exchange(one, two)
    assert one.text() == two.text() == '{"run": 5, "list": [7]}\n'
    assert one.replica.version() == two.replica.version()
    assert len(one.told) == len(two.told) == 1


def test_a_line_that_was_changed_here_and_removed_there_stands_whole() -> None:
    text = "write report\ncall bank\nbuy milk\n"
    one, two = _nodes(text, "x done write report\ncall bank\nbuy milk\n", "call bank\nbuy milk\n")
    exchange(one, two)
    assert one.text() == two.text() == "x done write report\ncall bank\nbuy milk\n"


def test_a_side_that_only_removed_lines_is_seen() -> None:
    one, two = _nodes("a one\nb two\nc three\n", "a one\nc three\n", "a one\nb two and more\nc three\n")
    exchange(one, two)
    assert one.text() == two.text() == "a one\nb two and more\nc three\n"


def test_both_devices_make_the_same_repair_to_the_byte() -> None:
    one, two = _nodes("the old line\n", "one wrote this here\n", "and that is of the other 😀\n")
    exchange(one, two)
    assert one.repairs + two.repairs == 0 or one.log[-1] == two.log[-1]
    assert sorted(one.text().splitlines()) == ["and that is of the other 😀", "one wrote this here"]


def test_an_edit_that_is_on_its_way_while_both_repair() -> None:
    """One sends its first edit; the other makes a second one before it comes; both repair what they see."""
    one, two = _nodes("timeout = 1200\nlast line\n", "timeout = 1800\nlast line\n", "timeout = 2400\nlast line\n")
    first, early = one.answer(two), two.answer(one)
    two.save("timeout = 2400\nlast line, and more\n")
    one.receive(early)
    two.receive(first)
    assert come_to_rest([one, two], random.Random(1)) <= 2
    assert one.text() == "timeout = 2400\nlast line, and more\n"


def test_three_change_one_line_and_all_links_come_up_at_once() -> None:
    for seed in range(many(20)):
        nodes = _nodes("a\ntimeout = 1\nb\n", *(f"a\ntimeout = {number}\nb\n" for number in (1800, 2400, 900)))
        assert come_to_rest(nodes, random.Random(seed)) <= 3
        assert nodes[0].text() == "a\ntimeout = 2400\nb\n", seed


def test_the_work_of_one_comes_through_another() -> None:
    one, two, three = _nodes("a\nb\nc\n", "a one\nb\nc\n", "a two\nb\nc\n", "a\nb\nc three\n")
    exchange(two, three)
    exchange(one, three)
    exchange(one, two)
    assert come_to_rest([one, two, three], random.Random(1)) <= 3
    assert one.text().count("a ") == 1
    assert one.text().endswith("b\nc three\n")


def test_somebody_types_inside_a_line_that_a_repair_replaces() -> None:
    one, two, three = _nodes(
        "a\nthe line\nb\n", "a\nthe line of one\nb\n", "a\nthe other line\nb\n", "a\nthe line\nb\n"
    )
    exchange(one, three)
    three.type(3, "t")
    exchange(one, two)
    come_to_rest([one, two, three], random.Random(1))
    assert one.text().count("line") == 1
    assert "one" in one.text()
    assert "other" in one.text()


@pytest.mark.parametrize(
    "devices", [3, pytest.param(4, marks=pytest.mark.long), pytest.param(5, marks=pytest.mark.long)]
)
def test_devices_that_meet_in_any_order_come_to_rest(devices: int) -> None:
    for seed in range(many(20)):
        outcome = run(seed, devices)
        assert outcome.rounds <= devices, seed
        assert outcome.lost == [], seed
        assert devices > 4 or (outcome.doubled, outcome.made_up) == ([], []), seed


def test_keystrokes_that_cross_are_no_meeting() -> None:
    typed, saved = 7, Writer.SAVED.client_id(7)
    repaired = client_id_from(Writer.REPAIR, b"one")
    assert meeting_of({typed: 3}, {8: 1}, apart=False) is None
    assert meeting_of({typed: 3}, {8: 1}, apart=True) is Meeting.THREE_TEXTS
    assert meeting_of({typed: 3}, {saved: 1}, apart=False) is Meeting.THREE_TEXTS
    assert meeting_of({typed: 3, saved: 1}, {saved: 1}, apart=True) is None
    assert meeting_of({typed: 3}, {repaired: 1}, apart=False) is Meeting.OURS
    assert meeting_of({repaired: 1}, {typed: 1}, apart=False) is Meeting.THEIRS
    assert meeting_of({repaired: 1}, {client_id_from(Writer.REPAIR, b"two"): 1}, apart=False) is Meeting.ONE_OF_BOTH


def test_a_repair_passes_the_wall_and_says_what_it_should() -> None:
    """Any text of any union, with characters of every size."""
    for seed in range(many(200)):
        rng = random.Random(seed)
        author = Author(rng)
        text = author.text()
        one, two = _nodes(text, author.change(text), author.change(text))
        update = two.answer(one).updates[-1]
        log = [*one.log, update]
        joined = join(log, one.side(), two.side())
        assert joined is not None
        assert (joined.base, joined.ours, joined.theirs) == (text, one.text(), two.text())
        union = TextReplica.from_updates(9, log)
        assert joined.text == union.text()
        wanted = author.change(author.text())
        made = repair(joined, hunks(joined.text, wanted), 1)
        check_update(made, union.shape, union.clocks(), union.halves)
        before = union.clocks()
        union.receive(made)
        assert union.text() == wanted, seed
        assert joined.text == wanted or union.clocks() != before, "it shows in a state vector, also if it only removes"


@pytest.mark.parametrize("puts_in", ["", "put in\n"])
def test_two_repairs_that_took_out_another_copy_each_leave_one(puts_in: str) -> None:
    one, two = _nodes("first\ntwin\ntwin\nlast\n", *["first\ntwin\ntwin\nlast\n"] * 2)
    joined = join(one.log, one.side(), two.side())
    assert joined is not None
    for node, start in ((one, 6), (two, 11)):
        made = repair(joined, [Hunk(start, start + 5, ""), Hunk(21, 21, puts_in)], 1)
        assert node.replica.apply(made) is not None
        node.log.append(made)
    rng = random.Random(1)
    assert come_to_rest([one, two], rng) <= 2
    assert one.text() == two.text() == f"first\ntwin\nlast\n{puts_in}"


def test_what_two_repairs_put_in_alike_is_no_part_of_what_both_had() -> None:
    """Both had heard of one edit, and repaired it with an edit of their own: both put an `x` in, and not alike."""
    changes = "start\nx\nw00001x", "start\nx w00000x alpha", "start\nx w00004x"
    nodes = first, one, other = _nodes("start\nx", *changes)
    for node in (one, other):
        node.receive(first.answer(node))
    message = other.answer(one)
    shared = set(one.replica.clocks()).intersection(other.replica.clocks())
    assert any(Writer.of(client) is Writer.REPAIR for client in shared)
    joined = join([*one.log, *message.updates], one.side(), message.side)
    assert joined is not None
    assert joined.base == first.text()
    come_to_rest(nodes, random.Random(1))
    assert one.text() == "start\nx w00000x alpha w00004x\nw00001x"


def test_two_repairs_of_edits_that_nobody_else_repaired() -> None:
    """Both have the edits of two others, and each repaired them with an edit of its own as well: so nobody ever had the
    text of those two edits alone, and what Yjs makes of them is what neither went on from."""
    text = "start\nthe end "
    one, two, three = (Node(number, text) for number in range(3))
    three.save(f"{text} w00000x alpha")
    one.receive(three.answer(one))
    one.save(f"{text} w00000x alpha  w00001x\n")
    three.save(f"{text} w00000x alpha w00003x\n")
    two.save(f"{text} w00002x alpha")
    for node in (one, three):
        node.receive(two.answer(node))
    three.receive(one.answer(three))
    for word in ("w00000x", "w00001x", "w00002x", "w00003x"):
        assert three.text().count(word) == 1, three.text()


def test_a_line_that_each_side_put_in_at_another_place_with_a_repair() -> None:
    """Each has removed it where it was, and says so in a sum as well: it was there when they went apart."""
    line, text = "moved 1 e\n", "one a\ntwo b\nthree c\nfour d\n"
    had = text.replace("two", f"{line}two")
    one, two = Node(0, text), Node(1, text)
    one.save(had)
    two.receive(one.answer(two))
    joined = join(one.log, one.side(), two.side())
    assert joined is not None
    at = had.index(line)
    out = Hunk(at, at + len(line), "")
    for node, changes in ((one, [Hunk(0, 0, line), out]), (two, [out, Hunk(len(had), len(had), line)])):
        made = repair(joined, changes, 1)
        assert node.replica.apply(made) is not None
        node.log.append(made)
    one.save(one.text().replace("one a", "one a now"))
    two.save(two.text().replace("four d", "four d and more"))
    exchange(one, two)
    assert one.text() == two.text()
    assert sorted(one.text().splitlines()) == ["four d and more", "moved 1 e", "one a now", "three c", "two b"]


@pytest.mark.parametrize(("devices", "seed"), [(2, 159), (2, 311), (2, 2074), (3, 2126), (3, 2443), (4, 349)])
def test_what_several_append_at_a_time_comes_once(devices: int, seed: int) -> None:
    outcome = Room(seed, devices).run()
    assert outcome.doubled == outcome.lost == []


@pytest.mark.parametrize("seed", [3, 23, 37])
def test_short_lines_that_all_change_stand_once_each(seed: int) -> None:
    """Where devices merge what each put in, lines also move, and others change them and put some in beside them."""
    text = run(seed, 2 + seed % 4, author=Lister(random.Random(seed))).text
    numbers = re.findall(r"<(\d{6})>", text)
    assert sorted(numbers) == sorted(set(numbers))


@pytest.mark.parametrize("seed", [8, 10, 76, 119, 125, 127, 168, 184, 229, 703, 953])
def test_what_programs_and_editors_write_at_a_time_stands_once(seed: int) -> None:
    """What both went on from has no line of which words are missing, and none that one side alone wrote."""
    found = write_together(seed, 2 + seed % 3)
    assert found.doubled == found.lost == []


def test_a_character_that_is_not_known_here_leaves_the_union_as_it_is() -> None:
    text = imported("what was removed\n")
    other = TextReplica.from_updates(Writer.SAVED.client_id(5), [text])
    other.edit([Hunk(0, 5, "")])
    forgotten = other.state()  # it has let go of what was removed
    ours = Side(TextReplica.from_updates(1, [text]).clocks(), [])
    assert join([forgotten], ours, Side(other.clocks(), other.deleted())) is None
