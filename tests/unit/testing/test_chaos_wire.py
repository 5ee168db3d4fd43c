"""A line that can be cut and fixed, and on which bytes go astray."""

import socket
import threading
from contextlib import contextmanager

import pytest

from genesis.testing.chaos import Faults, Wire


@contextmanager
def echoing():
    """A server that says everything back."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            opened.append(connection)
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection):
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in opened:
            connection.close()
        thread.join(5)


@contextmanager
def calling(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        yield client


def send_and_read(client, text=b"hello"):
    client.sendall(text)
    return client.recv(65536)


def fail(client):
    """Whether nobody answers on a connection any more: it was reset, or closed."""
    try:
        return send_and_read(client) == b""
    except ConnectionError:
        return True


def test_a_wire_carries():
    with echoing() as port, Wire(port) as wire, calling(wire.port) as client:
        assert send_and_read(client) == b"hello"
        assert send_and_read(client, b"again") == b"again"


def test_a_cut_breaks_what_is_open_refuses_what_is_new_and_can_be_mended_on_its_port():
    with echoing() as port, Wire(port) as wire:
        first = wire.port
        with calling(first) as client:
            assert send_and_read(client) == b"hello"
            wire.cut()
            assert fail(client)
        with pytest.raises(ConnectionError), calling(first):
            pass
        wire.join()
        wire.join()
        assert wire.port == first
        with calling(first) as client:
            assert send_and_read(client) == b"hello"


def test_a_wire_to_nowhere_closes():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = taken.getsockname()[1]
    with Wire(nowhere) as wire, calling(wire.port) as client:
        assert client.recv(10) == b""


def test_a_wire_can_be_left_while_it_is_cut():
    with echoing() as port, Wire(port) as wire:
        wire.cut()
        wire.cut()


@pytest.mark.parametrize(
    ("kind", "comes"),
    [
        ("delay", b"hello"),
        ("garbage", bytes(byte ^ 0x55 for byte in b"hello")),
        ("disconnect", b""),
        ("hang", b"hello"),
    ],
)
def test_what_the_server_says_goes_astray(kind, comes):
    faults = Faults(1, share=1, kinds=[kind], delay_s=0.01, hang_s=0.1)
    with echoing() as port, Wire(port, faults) as wire, calling(wire.port) as client:
        assert send_and_read(client) == comes


def test_what_the_server_says_breaks_off():
    faults = Faults(1, share=1, kinds=["partial"])
    with echoing() as port, Wire(port, faults) as wire, calling(wire.port) as client:
        client.sendall(b"0123456789" * 10)
        found = b""
        while more := client.recv(65536):
            found += more
    assert len(found) < 100
    assert (b"0123456789" * 10).startswith(found)
