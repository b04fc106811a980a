# Echo servers that keep their promises and share no line with the Go ones:
#   python3 echo.py asyncio|threads bytes|frames
# They print the address they listen on.
import asyncio
import resource
import socket
import sys
import threading
import time

MAX = 1 << 20
LINGER_TIME, LINGER_BYTES = 2, 16 << 20


async def aio_bytes(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def aio_frames(reader, writer):
    while True:
        header = await reader.readexactly(4)
        n = int.from_bytes(header, "big")
        if n > MAX:
            break
        writer.write(header + await reader.readexactly(n))
        await writer.drain()
    writer.write_eof()
    try:
        async with asyncio.timeout(LINGER_TIME):
            ignored = 0
            while (data := await reader.read(65536)) and ignored < LINGER_BYTES:
                ignored += len(data)
    except TimeoutError:
        pass


def ended(serve):
    async def client(reader, writer):
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()
    return client


async def aio(serve):
    # Given a socket of protocol 0, asyncio would not set TCP_NODELAY.
    server = await asyncio.start_server(ended(serve), "127.0.0.1", 0, backlog=1024)
    print("%s:%d" % server.sockets[0].getsockname(), flush=True)
    await server.serve_forever()


def thread_bytes(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


def exactly(conn, n):
    parts = bytearray()
    while len(parts) < n:
        data = conn.recv(min(n - len(parts), 65536))
        if not data:
            raise EOFError
        parts += data
    return bytes(parts)


def thread_frames(conn):
    while (n := int.from_bytes(header := exactly(conn, 4), "big")) <= MAX:
        conn.sendall(header + exactly(conn, n))
    conn.shutdown(socket.SHUT_WR)
    ignored, end = 0, time.monotonic() + LINGER_TIME
    while ignored < LINGER_BYTES and (left := end - time.monotonic()) > 0:
        conn.settimeout(left)
        data = conn.recv(65536)
        if not data:
            return
        ignored += len(data)


def threads(serve):
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print("%s:%d" % listener.getsockname(), flush=True)

    def client(conn):
        with conn:
            try:
                conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                serve(conn)
            except (OSError, EOFError):
                pass
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=client, args=(conn,), daemon=True).start()


soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
framed = sys.argv[2] == "frames"
if sys.argv[1] == "asyncio":
    asyncio.run(aio(aio_frames if framed else aio_bytes))
else:
    threading.stack_size(128 << 10)
    threads(thread_frames if framed else thread_bytes)
