-- Asks jointgate whether a request may pass: `http-request lua.jointgate ADDRESS`. Goes with haproxy.cfg.

local passed_on = {
  "accept", "accept-language", "access-control-request-method", "origin", "purpose", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site",
  "sec-purpose", "sec-websocket-key", "sec-websocket-version", "x-requested-with",
}
local timeout_ms = 35000

-- The values of a header as the client sent them.
local function values_of (headers, name)
  local values = {}
  local found = headers[name]
  if found == nil then return nil end
  for index = 0, #found do values[#values + 1] = found[index] end
  return values
end

local function question_of (txn)
  local headers = txn.http:req_get_headers()
  local question = {}
  for _, name in ipairs(passed_on) do question[name] = values_of(headers, name) end
  -- HTTP/2 clients may cut their cookies in pieces (RFC 9113 section 8.2.3).
  local cookies = values_of(headers, "cookie")
  if cookies ~= nil then question["cookie"] = { table.concat(cookies, "; ") } end
  -- What the application gets: HAProxy changes nothing in it.
  question["x-original-method"] = { txn.sf:method() }
  question["x-original-uri"] = { txn.sf:pathq() }
  question["x-original-host"] = { txn.sf:req_fhdr("host") }
  question["x-original-proto"] = { txn:get_var("txn.gate_proto") }
  question["x-forwarded-for"] = { txn.sf:src() }
  return question
end

-- Without a value there is nothing to tell: what the client had sent is gone all the same.
local function tell (txn, name, values)
  txn.http:req_del_header(name)
  for _, value in pairs(values) do
    if value ~= "" then txn.http:req_set_header(name, value) end
  end
end

core.register_action("jointgate", { "http-req" }, function (txn, address)
  local answer = core.httpclient():get{ url = "http://" .. address .. "/_gate/verify", headers = question_of(txn), timeout = timeout_ms }
  if answer == nil or answer.status == nil or answer.status == 0 then
    txn:done(txn:reply{ status = 503, headers = { ["retry-after"] = { "5" }, ["cache-control"] = { "no-store" } } })
    return
  end
  if answer.status ~= 200 then
    local headers = {}
    for name, values in pairs(answer.headers) do
      if name ~= "connection" and name ~= "keep-alive" and name ~= "transfer-encoding" and name ~= "content-length" then headers[name] = values end
    end
    headers["content-length"] = { tostring(#answer.body) }
    txn:done(txn:reply{ status = answer.status, headers = headers, body = answer.body })
    return
  end
  for name, values in pairs(answer.headers) do
    if name:find("^x%-identity%-") or name == "x-request-id" or name == "cookie" then tell(txn, name, values) end
  end
  txn:set_var("txn.gate", "passed")
end, 1)
