"""The heuristic level's English vocabulary: verbs of work, polite phrases, stems and typo tolerance.

The tables are closed sets of everyday words. They decide where a clause begins and whether it asks for something; they
never decide alone what a request means.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import Stemmer  # type: ignore[import-not-found]  # it has no type hints

__all__ = [
    "LIGHT_VERBS",
    "POLITE",
    "SOFT_VERBS",
    "STOP_WORDS",
    "base_verb",
    "content_stems",
    "is_noun_too",
    "is_verb",
    "same_word",
    "starts_noun_phrase",
    "stem",
    "strip_polite",
    "word_set",
    "words",
]


def word_set(text: str) -> frozenset[str]:
    """Make a set of the words of a text."""
    return frozenset(text.split())


_VERBS = word_set(
    """
    abort accept achieve acquire activate adapt add adjust advertise advise allocate analyse analyze announce
    answer apologise apologize append apply archive arrange ask assemble assess assign attach automate bake become
    begin brainstorm bring browse bump buy calculate cancel carry categorise categorize celebrate choose classify
    clean clear click close collect combine commit compare compile complain complete compose compress compute
    conduct configure confirm connect consider consolidate construct consult contact containerise containerize
    convert cook coordinate correct count crawl create customise customize debug decide decode decorate decrypt
    define delete deliver deploy describe detect determine develop diagnose disable discover discuss display
    distribute do dockerise dockerize download draw drive eat edit eliminate embed emphasise enable encode encrypt
    enhance enquire ensure enter establish evaluate examine execute expand explain explore extend extract fetch
    figure fill finalise finalize find fix follow formulate forward gather generate get give go grant greet handle
    harden hear highlight identify ignore illustrate implement improve include incorporate inform initialise
    initialize inquire insert inspect install integrate interview introduce invest investigate invite invoke join
    keep know learn leave let lint locate make manage merge migrate minimise minimize mock modify move negotiate
    normalise normalize notify obtain open optimise optimize organise organize parse perform pick ping polish
    predict prepare preserve prioritise prioritize procure promote propose protect prove provide provision publish
    purchase push put rebase rebook recommend reconcile recover recruit redesign reduce refactor refine register
    relocate remind remove rename render renew rent reopen reorder repeat replace rerun resend reserve resize
    resolve respond restart restock restore restructure resume retrieve retry revert revise rewrite rotate sanitise
    sanitize scaffold scrape secure see seek select sell send separate simplify simulate skip solve specify
    streamline stub submit subscribe suggest summarise summarize synthesise synthesize teach tell tidy transcribe
    transform translate trim troubleshoot tune tweet understand undertake unify uninstall unpack unzip upload
    validate verify visualise visualize warn weigh wire withdraw write
    """
)

_NOUNS_TOO = word_set(
    """
    address audit back benchmark book build bundle call campaign change check claim clone code copy crop cut
    deposit design document draft email estimate exchange export feed file filter finish fold forecast fork format
    grade group help hire host import inventory issue label launch link list load log look mail map mark measure
    message mint mix monitor name offer order outline pack package paint pause pay pin place plan play plot post
    present price print process produce profile program prototype query rank read record release repair reply
    report request research reset return review roll run sample save scale scan schedule search seed set setup
    share ship show sign sketch sort split stage start stop store stream study sum survey swap switch sync tag take
    talk test text track train transfer turn update upgrade use view visit vote wait wash watch water work wrap zip
    """
)

LIGHT_VERBS = word_set(
    """
    begin carry complete conduct create deliver do execute get give have kick make need perform prepare produce
    provide run start undertake want
    """
)
"""Verbs whose meaning is in their object: "do an audit", "give me a report"."""

SOFT_VERBS = word_set("assume avoid become consider ensure follow include keep let note use")
"""Verbs that restrain other work rather than ask for some: "ensure that …", "keep it short"."""

STOP_WORDS = word_set(
    """
    a about all also an and any are as at be been but by can could do does each for from had has have he her his
    how i if in into is it its just me my of on or our please she should so some such that the their them then
    there these they this those to up us was we were what when where which while who will with would you your
    """
)

_DETERMINERS = word_set("a all an any each every her his its my our that the their these this those your")

POLITE = re.compile(
    r"""^(?:
      \s+ | [,:!.…\u2013\u2014-]+
      | (?:hello|hi|hey|dear)(?:\s+(?:there|all|team|genesis|everyone|assistant))? (?=[\s,.!]|$)(?!\ world)
      | (?:please|pls|plz|kindly|ok(?:ay)?|well|so|now|alright|thanks|thank\ you|good\ (?:morning|afternoon|evening)) \b
      | (?:(?:can|could|would|will|might)\ (?:you|u|we|someone|somebody))
          (?:\ (?:please|kindly|maybe|perhaps|possibly|also|then|just|help\ (?:me|us)(?:\ to)?
              |be\ so\ kind\ as\ to))* \b
      | (?:i|we)\ (?:need|want|wish|expect|require|have|would\ (?:like|love))(?:\ (?:you|u|someone|us))?\ to \b
      | (?:i|we)['\u2019]d\ (?:like|love)(?:\ (?:you|someone|us))?\ to \b
      | (?:i'm|i\ am|we're|we\ are)\ (?:going|asking\ you|trying|hoping)\ to \b
      | (?:i|we)\ (?:would\ )?(?:like|need|want)\ your\ (?:help|assistance)\ (?:to|in|with) \b
      | (?:you\ (?:should|must|need\ to|have\ to|will|can|could|are\ to)) \b
      | (?:your\ (?:task|job|goal|mission)\ is\ to) \b
      | (?:the\ (?:task|job|goal|aim)\ is\ to) \b
      | (?:help\ (?:me|us)(?:\ to)?) \b (?!\s+(?:with|in|on)\b)
      | (?:let['\u2019]?s|let\ us) \b
      | (?:go\ ahead\ and|be\ sure\ to|make\ sure\ (?:you|to)|do(?:\ not|n['\u2019]t)\ forget\ to|remember\ to
          |try\ to|proceed\ to|feel\ free\ to|do\ me\ a\ favou?r\ and|would\ you\ mind) \b
      | (?:quickly|carefully|thoroughly|simply|kindly|briefly|fully|properly|also|just|maybe|perhaps) \b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""One piece of polite wrapping at the beginning of a clause."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [match[0].lower().replace("\u2019", "'") for match in _WORD.finditer(text)]


def strip_polite(text: str) -> str:
    """Strip leading greetings, "please", "could you" and the like from a clause."""
    while text and (match := POLITE.match(text)):
        text = text[match.end() :]
    return text


def is_verb(word: str) -> bool:
    """Whether a word can be an imperative verb."""
    return word.lower() in _VERBS or word.lower() in _NOUNS_TOO


def is_noun_too(word: str) -> bool:
    """Whether a verb is a common noun as well, so that it does not begin a clause on its own."""
    return word.lower() in _NOUNS_TOO


def starts_noun_phrase(word: str) -> bool:
    """Whether a word is an article or another determiner."""
    return word.lower() in _DETERMINERS


def base_verb(word: str) -> str | None:
    """Return the base form of a verb of work in any of its forms ("building", "tested"), or None.

    Verbs that only modify other work ("keeping", "using") have none.
    """
    word = word.lower()
    for candidate in _base_forms(word):
        if is_verb(candidate):
            return None if candidate in SOFT_VERBS else candidate
    return _IRREGULAR.get(word)


_IRREGULAR = {
    "built": "build",
    "chosen": "choose",
    "done": "do",
    "drawn": "draw",
    "found": "find",
    "made": "make",
    "run": "run",
    "sent": "send",
    "sold": "sell",
    "taken": "take",
    "written": "write",
}


def _base_forms(word: str) -> list[str]:
    forms = [word]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            root = word[: -len(ending)]
            forms += [root, root + "e"]
            if root[-1] == root[-2]:
                forms.append(root[:-1])
    if word.endswith("ied"):
        forms.append(word[:-3] + "y")
    return forms


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    return Stemmer.Stemmer("english")


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Return the Snowball stem of an English word (Porter 2001)."""
    return str(_stemmer().stemWord(word.lower()))


def content_stems(text: str) -> list[str]:
    """Return the stems of the content words, in order, with repetitions."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


_FORGIVING = 5
"""Minimum length of a word for typo tolerance."""


def same_word(left: str, right: str) -> bool:
    """Whether two stems are the same except for a typo.

    One letter wrong, missing, added or swapped is tolerated in words of five letters or more that begin alike.
    """
    if left == right:
        return True
    if min(len(left), len(right)) < _FORGIVING or left[0] != right[0] or abs(len(left) - len(right)) > 1:
        return False
    return _one_edit_apart(left, right)


def _one_edit_apart(left: str, right: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours turns one word into the other."""
    start = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    one, other = left[start:], right[start:]
    return (
        one[1:] == other
        or one == other[1:]
        or one[1:] == other[1:]
        or (one[:2] == other[:2][::-1] and one[2:] == other[2:])
    )
