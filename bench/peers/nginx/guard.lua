-- Lets only genuine deliveries through, as a careful team would write it for
-- nginx. It makes the guard's checks in the same order, with OpenSSL's HMAC,
-- which nginx has already loaded.

local ffi = require "ffi"

ffi.cdef [[
typedef struct hmac_ctx_st HMAC_CTX;
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
HMAC_CTX *HMAC_CTX_new(void);
int HMAC_Init_ex(HMAC_CTX *ctx, const void *key, int len, const EVP_MD *md, void *engine);
int HMAC_Update(HMAC_CTX *ctx, const char *data, size_t len);
int HMAC_Final(HMAC_CTX *ctx, unsigned char *sum, unsigned int *len);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]

local C = ffi.C
local find, sub = string.find, string.sub
local ngx, req, re_find = ngx, ngx.req, ngx.re.find
local encode_base64 = ngx.encode_base64

local tolerance = 300 -- seconds
local signature_length = 3 + 44 -- "v1," and 32 bytes in base64

local hmac -- keyed once; a worker handles one delivery at a time
local sum, sum_length = ffi.new "unsigned char[32]", ffi.new "unsigned int[1]"

local guard = {}

-- init reads the secret, which is whsec_ and base64.
function guard.init(secret)
  local key = ngx.decode_base64(assert(string.match(secret, "^whsec_(.+)$"), "the secret does not begin with whsec_"))
  assert(key and #key >= 24, "the secret is not base64 of at least 24 bytes")
  hmac = C.HMAC_CTX_new()
  assert(C.HMAC_Init_ex(hmac, key, #key, C.EVP_sha256(), nil) == 1)
end

local function signature(id, timestamp, body)
  local prefix = id .. "." .. timestamp .. "."
  local ok = C.HMAC_Init_ex(hmac, nil, 0, nil, nil) == 1 -- the same key again
    and C.HMAC_Update(hmac, prefix, #prefix) == 1
    and C.HMAC_Update(hmac, body, #body) == 1
    and C.HMAC_Final(hmac, sum, sum_length) == 1
  return ok and "v1," .. encode_base64(ffi.string(sum, 32))
end

-- matches compares every signature of the list in constant time.
local function matches(expected, list)
  local found, start = false, 1
  while true do
    local space = find(list, " ", start, true)
    local candidate = sub(list, start, (space or 0) - 1)
    if #candidate == signature_length and C.CRYPTO_memcmp(candidate, expected, signature_length) == 0 then
      found = true
    end
    if not space then
      return found
    end
    start = space + 1
  end
end

local function valid(value, longest)
  return type(value) == "string" and value ~= "" and #value <= longest -- a repeated header is a table
end

-- check ends a request that is not genuine.
function guard.check()
  if ngx.var.request_method ~= "POST" then
    ngx.header.Allow = "POST"
    return ngx.exit(405)
  end

  local headers = req.get_headers(0)
  local id, timestamp, list = headers["svix-id"], headers["svix-timestamp"], headers["svix-signature"]
  if id or timestamp or list then
    for _, name in ipairs { "webhook-id", "webhook-timestamp", "webhook-signature" } do
      if rawget(headers, name) then
        req.clear_header(name)
      end
    end
  else
    id, timestamp, list = headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"]
  end
  if not (valid(id, 256) and valid(timestamp, 18) and valid(list, 4096))
    or not re_find(id, [[\A[!-\-/-~]+\z]], "jo")
    or not re_find(timestamp, [[\A[1-9][0-9]*\z]], "jo") then
    return ngx.exit(400)
  end
  if math.abs(ngx.time() - tonumber(timestamp)) > tolerance then
    return ngx.exit(403)
  end

  req.read_body()
  local body = req.get_body_data() or ""
  local expected = signature(id, timestamp, body)
  if not expected then
    return ngx.exit(500)
  end
  if not matches(expected, list) then
    return ngx.exit(403)
  end
end

return guard
