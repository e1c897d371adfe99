import pytest
from pydantic import ValidationError

from {{ package_name }}.upstream.schemas import MAX_PATH_LENGTH, FetchRequest

BELOW = r"""
/ /a /a/ /a.b/..c/d../... /~user/-._!$&'()*+,;=: /caf%C3%A9 /a%20b%2Fc%3Fd%23e /100%25 /%2540
/people/%40me /a? /a?b=1&c=%26&d=+e /a?next=https://example.com//x/../y?z /a?b?c
"""

NO_PATH = r"""
a ?a=1 * . %2Fa http://example.com/ HTTP:/example.com javascript:alert(1) :80/a @example.com
.example.com/
"""

ANOTHER_HOST = r"""
//example.com ///example.com /%2Fexample.com /%2f%2fexample.com /%252fexample.com
/http://example.com /a//b /@example.com /a@b /a?b=c@d /[::1]
"""

BACKSLASHES = r"""
\\example.com /\example.com /a\..\b /%5cexample.com /%5C..%5Ca /%255c /a?b=%5c
"""

DOT_SEGMENTS = r"""
/.. /../a /a/.. /a/../../b /./a /a/. /.?a /..?a /%2e%2e/a /%2E%2E/a /.%2e/a /a%2f..%2fb /a/..%2fb
/%252e%252e/a /%252e%252e%252fa /%25252e%25252e/a /a/%2e /..;/a /..;a=b/c /..%3b/a /..%3fa /..%23a
"""

BAD_ENCODING = r"""
/%c0%ae%c0%ae/a /%c0%afexample.com /%ff /a?b=%ff /%252541 /a?b=%252541 /% /%2 /%zz /a%u002e
"""

CONTROLS = r"""
/%00 /%0d%0aHost:%20example.com /a%250a /a?b=%0a /%7f /%C2%85
"""

NOT_IN_URLS = r"""
/a#b /a?b#c /é /" /<a> /a|b /{a} /`a` /a^b
"""

GOOD = [*BELOW.split(), "/" + "x" * (MAX_PATH_LENGTH - 1)]
BAD = [
    *(NO_PATH + ANOTHER_HOST + BACKSLASHES + DOT_SEGMENTS).split(),
    *(BAD_ENCODING + CONTROLS + NOT_IN_URLS).split(),
    "",
    "/" + "%25" + "25" * 600,
    "/" + "x" * MAX_PATH_LENGTH,
    *["/a\r\nHost: example.com", "/a\n", "/a\t", "/a b", " /a", "/a ", "\t/a", "/a\0", "/a\x7f"],
    *["/a\x85", "/a\u00a0", "/\uff0e\uff0e/a", "/\u2024\u2024/a", "/\ud800"],
]


@pytest.mark.parametrize("path", GOOD)
def test_a_path_below_the_base_url_is_accepted_as_it_is(path: str) -> None:
    assert FetchRequest(paths=[path]).paths == [path]


@pytest.mark.parametrize("path", BAD)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FetchRequest(paths=["/good", path])

    assert [error["loc"] for error in caught.value.errors()] == [("paths", 1)]
