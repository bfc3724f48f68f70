"""A reverse proxy as written with aiohttp: `python -m tests.performance.peer_aiohttp PORT UPSTREAM LOG`."""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp
from aiohttp import web

_HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"}


async def _serve(port: int, upstream: str, log: int) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False) as session:

        async def forward(request: web.BaseRequest) -> web.StreamResponse:
            fields = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
            fields["Authorization"] = "Bearer bench"
            fields["Content-Length"] = request.headers.get("Content-Length", "0")
            async with session.request(
                request.method,
                upstream + request.path_qs,
                data=request.content,
                headers=fields,
                allow_redirects=False,
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                if answer.content_length is not None:
                    response.content_length = answer.content_length
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
                os.write(log, b"%s %s %d\n" % (request.method.encode(), request.path_qs.encode(), answer.status))
                return response

        runner = web.ServerRunner(web.Server(forward))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    descriptor = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2], descriptor))
