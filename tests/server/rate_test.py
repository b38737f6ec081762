"""--rate: a line that is not to be filled."""

import time
import unittest

from accounts import ServerTest
from support import message, write_maildir

RATE, SIZE = 256 << 10, 1 << 20


class Rate(ServerTest):
    def seconds(self, *arguments):
        begin = time.monotonic()
        self.haul(*arguments)
        return time.monotonic() - begin

    def test_no_more_than_that_goes_over_the_line_each_way(self):
        write_maildir(self.path("src"), [message(number, size=SIZE // 10) for number in range(10)])
        source, account = "maildir:" + self.path("src"), self.account()
        out = self.seconds("copy", source, account, "--rate", "256K")
        back = self.seconds("copy", account, "maildir:" + self.path("back"), "--rate", "256K")
        free = self.seconds("verify", source, account)
        for limited in (out, back):
            # A quarter of a second's worth goes at once.
            self.assertGreater(limited, SIZE / RATE - 0.5)
            self.assertLess(limited, 4 * SIZE / RATE)
        self.assertLess(free, SIZE / RATE)


if __name__ == "__main__":
    unittest.main()
