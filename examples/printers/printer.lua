-- Prints events for `sinkwell vacuum`: see docs/VACUUM.md. Values are text, finite numbers, booleans.
local escapes = { ['"'] = '\\"', ['\\'] = '\\\\', ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t' }

local function text(s)
  return '"' .. s:gsub('[%c"\\]', function(c)
    return escapes[c] or string.format('\\u%04x', c:byte())
  end) .. '"'
end

-- Prints one event, on a line of its own.
local function emit(event)
  local parts = { '"_e":1' }
  for key, value in pairs(event) do
    parts[#parts + 1] = text(key) .. ':' .. (type(value) == 'string' and text(value) or tostring(value))
  end
  io.write('{', table.concat(parts, ','), '}\n')
  io.flush()
end

emit({ action = 'transfer', value = 7, note = 'a "quoted"\nline, ü 🌍' })
