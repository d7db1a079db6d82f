"""Ten events for each request; the product is set up where the application is loaded."""

import product

product.begin()


def app(environ, start_response):
    first = int(environ["PATH_INFO"][1:]) * 10
    product.emit_all(range(first, first + 10))
    start_response("200 OK", [])
    return [b"done"]
