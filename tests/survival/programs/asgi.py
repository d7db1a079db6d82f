"""Ten events for each request; the product is set up where the application is loaded."""

import product

product.begin()


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    first = int(scope["path"][1:]) * 10
    for n in range(first, first + 10):
        await product.aemit(n)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
