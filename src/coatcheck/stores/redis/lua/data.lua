-- The application's keys: frames of two sizes (key and value, five bytes), the key and the value. Values are never
-- looked into.
local SIZES = 5
local function frames_of(raw, at)
    local order, frames = {}, {}
    while at <= #raw do
        if at + SIZES - 1 > #raw then
            return nil
        end
        local key_size, value_size = struct.unpack('>I2I3', raw, at)
        local stop = at + SIZES - 1 + key_size + value_size
        if stop > #raw then
            return nil
        end
        local key = string.sub(raw, at + SIZES, at + SIZES - 1 + key_size)
        if frames[key] then
            return nil
        end
        order[#order + 1] = key
        frames[key] = string.sub(raw, at, stop)
        at = stop + 1
    end
    return order, frames
end

-- Lay changed keys over a session's own; returns the frames in one piece, their keys, and the size without frames.
local function merge(order, frames, set, unset)
    local set_order, set_frames = frames_of(set, 1)
    local _, gone = frames_of(unset, 1)
    local merged, kept, size = {}, {}, 0
    local function keep(key, frame)
        merged[#merged + 1] = frame
        kept[#kept + 1] = {key, #frame - SIZES}
        size = size + #frame - SIZES
    end
    for _, key in ipairs(order) do
        if not gone[key] and not set_frames[key] then
            keep(key, frames[key])
        end
    end
    for _, key in ipairs(set_order) do
        keep(key, set_frames[key])
    end
    return table.concat(merged), kept, size
end

-- The answer about data that is too large: its size, and the three largest keys with theirs.
local function too_large(kept, size)
    table.sort(kept, function(a, b)
        if a[2] ~= b[2] then
            return a[2] > b[2]
        end
        return a[1] < b[1]
    end)
    local answer = {TOO_LARGE, size}
    for place = 1, math.min(3, #kept) do
        answer[#answer + 1] = kept[place][1]
        answer[#answer + 1] = kept[place][2]
    end
    return answer
end
