"""The parts of the editor that need no daemon, in a blank page of the browser."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser.tabs import Tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    into = tmp_path_factory.mktemp("parts") / "parts.js"
    modules = ROOT / "web/node_modules"
    command = [
        str(modules / ".bin/esbuild"),
        str(Path(__file__).with_name("parts.ts")),
        "--bundle",
        f"--outfile={into}",
    ]
    subprocess.run([*command, "--log-level=error"], check=True, env={**os.environ, "NODE_PATH": str(modules)})
    return into.read_text()


@pytest.fixture(scope="module")
def parts(browser: Browser, script: str) -> Iterator[Tab]:
    """One tab for all of them."""
    context = browser.new_context()
    tab = Tab(context)
    tab.page.goto("about:blank")
    tab.page.add_script_tag(content=script)
    yield tab
    context.close()
    assert tab.unexpected() == []


def _run(tab: Tab, body: str, *arguments: Any) -> Any:
    return tab.page.evaluate(f"(given) => {{ const {{ Y, ...p }} = window.parts; {body} }}", list(arguments))


# Two documents, one of which plays the daemon: it says back what it has taken, in any order of steps.
_COMMITS = """
  const [seed, steps] = given
  let state = seed
  const random = (most) => {
    state = (state * 1103515245 + 12345) % 2147483648
    return Math.floor(state / 65536) % most
  }
  const here = new Y.Doc(), there = new Y.Doc()
  const commits = new p.Commits(here.clientID)
  const sent = []
  const told = []
  here.on('update', (update, origin) => { if (origin !== 'daemon') { commits.made(update); sent.push(update) } })
  const text = here.getText('source')
  const unsaved = () => {
    const before = Y.snapshot(there), now = Y.snapshot(here)
    return !Y.equalSnapshots(before, now)
  }
  const failures = []
  for (let step = 0; step < steps; step += 1) {
    const choice = random(4)
    if (choice === 0) text.insert(random(text.length + 1), 'ab'.slice(random(2)))
    if (choice === 1 && text.length > 0) text.delete(random(text.length), 1)
    if (choice >= 2 && sent.length > 0) {
      const update = sent.shift()
      Y.applyUpdate(there, update)
      commits.stored(update)
    }
    if ((commits.count > 0) !== unsaved()) failures.push([step, commits.count, unsaved()])
    if (commits.count > sent.length) failures.push([step, 'more than was sent', commits.count, sent.length])
  }
  return failures
"""


@pytest.mark.parametrize("seed", range(5))
def test_an_edit_counts_as_stored_when_the_daemon_said_it_back_and_not_before(parts: Tab, seed: int) -> None:
    assert _run(parts, _COMMITS, seed * 7919 + 1, 400) == []


def test_what_was_typed_while_apart_is_counted_until_the_daemon_has_it(parts: Tab) -> None:
    body = """
      const here = new Y.Doc(), there = new Y.Doc(), text = here.getText('source')
      there.getText('source').insert(0, 'old text')
      Y.applyUpdate(here, Y.encodeStateAsUpdate(there))
      const commits = new p.Commits(here.clientID), counts = []
      here.on('update', (update) => commits.made(update))
      text.insert(0, 'a'); text.delete(3, 2); text.insert(2, 'b')
      counts.push(commits.count)
      commits.has(Y.encodeStateVector(there))      // it has none of it
      counts.push(commits.count)
      Y.applyUpdate(there, Y.encodeStateAsUpdate(here, Y.encodeStateVector(there)))
      commits.has(Y.encodeStateVector(there))      // it has what was put in; what was removed shows in no state vector
      counts.push(commits.count)
      commits.stored(Y.encodeStateAsUpdate(there, Y.encodeStateVector(here)))
      counts.push(commits.count)
      return counts
    """
    assert _run(parts, body) == [3, 3, 1, 0]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "Saved"),
        ({"edits": 1}, "Saving 1 edit…"),
        ({"isSynced": False, "edits": 3}, "Offline: 3 edits kept in this tab"),
        ({"isSynced": False}, "Offline: the device does not answer. Everything is saved"),
        ({"hasText": False, "isSynced": False}, "Opening…"),
        ({"refused": "nobody may", "edits": 2}, "Not saved: nobody may"),
        ({"refused": "it was put right"}, "Saved"),
        ({"ended": "it is gone", "edits": 2}, "Closed: it is gone. 2 edits kept in this tab"),
        ({"ended": "it is gone"}, "Closed: it is gone"),
    ],
)
def test_what_is_said_of_the_text_is_so(parts: Tab, facts: dict[str, Any], said: str) -> None:
    all_facts = {"hasText": True, "isSynced": True, "edits": 0, "ended": None, "refused": None, **facts}
    assert _run(parts, "return p.sentence(p.standing(given[0]))", all_facts) == said


# What a preview is made of.
_ELEMENTS = [
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol",
    "li", "hr", "br", "a", "span", "table", "tr", "th", "td", "input",
]  # fmt: skip
_HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,x) [d](vbscript:x)",
    "[e](java\tscript:alert(1)) [f](file:///etc/passwd) [g](//x)",
    "![a](http://example.com/x.png) <http://example.com/&quot;onclick=x>",
    "[x]: javascript:alert(1)\n[x]",
    "&lt;script&gt; &#60;script&#62; &#x3c;img src=x onerror=alert(1)&#x3e;",
    "`<b>` **<i>x</i>** ~~<u>~~\n\n| <td> | b |\n| --- | --- |\n| <script> | `x` |",
    "<svg/onload=alert(1)>\n\n<iframe src='javascript:alert(1)'></iframe>\n",
    '<a href="http://x" style="position:fixed" onclick="x()">x</a>',
    ">" * 5000 + " deep",
    "- " * 2000 + "deep",
    "*" * 3000 + "a" + "*" * 3000,
    "[" * 3000 + "a" + "]" * 3000,
    "\u202eevil\u2066 \x1b[31m \x00 \ud83d",
]


@pytest.mark.parametrize("text", _HOSTILE, ids=range(len(_HOSTILE)))
def test_nothing_of_a_text_becomes_markup(parts: Tab, text: str) -> None:
    body = """
      const into = document.createElement('main')
      const began = performance.now()
      into.append(p.preview(given[0]))
      document.body.append(into)
      const all = [...into.querySelectorAll('*')]
      return {
        names: [...new Set(all.map((one) => one.localName))],
        attributes: [...new Set(all.flatMap((one) => one.getAttributeNames()))],
        links: all.filter((one) => one.localName === 'a').map((one) => one.protocol),
        took: performance.now() - began,
      }
    """
    found = _run(parts, body, text)
    allowed = set(_ELEMENTS)
    assert set(found["names"]) <= allowed
    assert set(found["attributes"]) <= {
        "href",
        "rel",
        "target",
        "class",
        "tabindex",
        "start",
        "type",
        "disabled",
        "aria-label",
    }
    assert set(found["links"]) <= {"http:", "https:", "mailto:"}
    assert found["took"] < 30_000, "not exponential"


def test_a_preview_is_what_the_text_says(parts: Tab) -> None:
    text = "# One *two*\n\n3. a\n4. b\n\n- [x] done\n- [ ] to do\n\n> quoted\n> on\n\n[site](https://a.example/x) a&amp;b \\*no\\*\n\n```js\nif (a < b) {}\n```\n\n| h |\n| - |\n| c |\n"  # noqa: E501
    body = "const into = document.createElement('main'); into.append(p.preview(given[0])); return into.innerHTML"
    html = _run(parts, body, text)
    for part in (
        "<h1>One <em>two</em></h1>",
        '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol>',
        '<input type="checkbox" disabled="" aria-label="done"> done',
        "<blockquote><p>quoted\n on</p></blockquote>",
        '<a href="https://a.example/x" target="_blank" rel="noopener noreferrer">site</a> a&amp;b *no*',
        '<pre tabindex="0"><code>if (a &lt; b) {}</code></pre>',
        "<th>h</th>",
        "<td>c</td>",
    ):
        assert part in html, html


@pytest.mark.parametrize(
    ("text", "at", "command", "then"),
    [
        ("a\r\nb\r\n", 1, "insertNewline", "a\r\n\r\nb\r\n"),
        ("a\r\nb\r\n", 1, "insertNewlineAndIndent", "a\r\n\r\nb\r\n"),
        ("a\r\nb\r\n", 3, "deleteCharBackward", "ab\r\n"),
        ("a\r\nb\r\n", 1, "deleteCharForward", "ab\r\n"),
        ("a\r\nb\r\n", 2, "insertNewline", "a\r\n\r\nb\r\n"),
        ("a\r\nb\r\n", 2, "deleteCharBackward", "\r\nb\r\n"),
        ("a\nb\n", 1, "insertNewline", "a\n\nb\n"),
        ("a\nb\n", 2, "deleteCharBackward", "ab\n"),
        ("\ufeffa\nb", 3, "insertNewline", "\ufeffa\n\nb"),
    ],
)
def test_line_ends_stay_what_they_are(parts: Tab, text: str, at: int, command: str, then: str) -> None:
    body = """
      const [text, at, command] = given
      const { source, view } = p.editorOf(text)
      view.dispatch({ selection: { anchor: at } })
      p[command](view)
      return [source.toString(), view.state.sliceDoc()]
    """
    assert _run(parts, body, text, at, command) == [then, then]


@pytest.mark.parametrize(("text", "then"), [("a\r\nb", "x\r\ny\r\na\r\nb"), ("a\nb", "x\ny\na\nb")])
def test_what_is_pasted_gets_the_line_ends_of_the_text(parts: Tab, text: str, then: str) -> None:
    body = """
      const { source, view } = p.editorOf(given[0])
      view.dispatch({ changes: { from: 0, insert: view.state.toText('x\\r\\ny\\n') }, userEvent: 'input.paste' })
      return source.toString()
    """
    assert _run(parts, body, text) == then


def test_names_and_colours_of_others_are_made_plain(parts: Tab) -> None:
    assert _run(parts, "return p.plain(given[0])", "  \u202eevil\x1b[31m ") == "\\u202eevil\\x1b[31m"
    assert _run(parts, "return p.plain(given[0])", "") == "somebody"
    assert len(_run(parts, "return p.plain(given[0])", "x" * 255)) == 40
    colours = ["#ff0000", "#00ff00", "#0000ff", "red; background: url(x)", None, 7, "#000000"]
    found = [_run(parts, "return p.colourOf({ color: given[0] }, 3)", colour) for colour in colours]
    assert found == [0, 3, 5, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("gone", "focused"),
    [
        ("#first", "second"),  # the next item
        ("#second", "one"),  # there is none: the one before
        ("#both", "title"),  # nothing is near: the heading
        ("#inner", "link"),  # what is left of the item
    ],
)
def test_the_focus_goes_to_what_is_near_when_what_had_it_vanishes(parts: Tab, gone: str, focused: str) -> None:
    body = """
      const place = document.createElement("main")
      place.innerHTML = `<h1 tabindex="-1" id="title">A</h1><ul id="both">
        <li id="first"><button id="one">1</button></li>
        <li id="second"><a href="#x" id="link">2</a><span id="inner"><button id="two">2</button></span></li></ul>`
      const [gone] = given
      if (gone === "#first") place.querySelector("#link").id = "second", place.querySelector("li + li").id = ""
      document.body.replaceChildren(place)
      p.keepFocus(place)
      const one = place.querySelector(gone)
      one.querySelector("button").focus()
      one.remove()
      return Promise.resolve().then(() => new Promise(requestAnimationFrame)).then(() => document.activeElement.id)
    """
    assert _run(parts, body, gone) == focused
