"""Messages between processes."""

import socket
import threading

import pytest

from genesis.workers.protocol import MessageDecoder, MessageSocket, encode


def test_messages_are_put_together_from_pieces():
    lines = MessageDecoder()
    data = encode({"a": "é\n"}) + encode({"b": 2})
    assert lines.feed(data[:5]) == []
    assert lines.feed(data[5:]) == [{"a": "é\n"}, {"b": 2}]


def test_a_wire_gives_messages_until_the_other_end_is_closed():
    one, other = socket.socketpair()
    big = {"text": "x" * 300_000}
    sender = threading.Thread(
        target=lambda: (MessageSocket(one).send(big), MessageSocket(one).send({"n": 1}), one.close())
    )
    sender.start()
    with other:
        assert list(MessageSocket(other)) == [big, {"n": 1}]
    sender.join()


def test_sending_to_nobody_is_an_error():
    one, other = socket.socketpair()
    other.close()
    with one, pytest.raises(OSError, match=r"."):
        MessageSocket(one).send({"n": 1})


def test_a_closed_end_has_no_messages():
    one, other = socket.socketpair()
    one.close()
    other.close()
    assert list(MessageSocket(other)) == []
