-- SPDX-License-Identifier: MIT
-- wrk: the same POST over and over; the body is the first argument behind "--".
function init(args)
	wrk.method = "POST"
	wrk.headers["Content-Type"] = "application/json"
	wrk.body = args[1]
end
