namespace HotModel.Http;

/// <summary>Takes the chunks' frames out of a body, in place, whatever pieces it comes in.</summary>
/// <remarks>In place, because then a chunk arrives, frame and all, by one read into the reader's memory.</remarks>
internal struct ChunkDecoder
{
    // The digits of the largest length that a long holds.
    private const int DigitsMax = 15;
    // Extensions and trailers mean nothing here and are few.
    private const int IgnoredBytesMax = 16 << 10;

    private State state;
    private long length;
    private int digits;
    private int ignoredBytes;

    private enum State : byte
    {
        Size, Extension, SizeLineFeed, Data, DataReturn, DataLineFeed,
        Trailer, TrailerLine, TrailerLineFeed, LastLineFeed, Done,
    }

    public readonly bool IsDone => state == State.Done;

    /// <summary>Leaves the data at the beginning of the bytes.</summary>
    /// <param name="bytes">What came, frames and data.</param>
    /// <param name="used">All of it, or less where the body ended before its end.</param>
    /// <returns>How many bytes of data; -1 where these are no chunks.</returns>
    public int Decode(Span<byte> bytes, out int used)
    {
        int data = 0;
        used = 0;
        while (used < bytes.Length && state != State.Done)
        {
            if (state == State.Data)
            {
                int count = (int)Math.Min(length, bytes.Length - used);
                if (used > data)
                    bytes.Slice(used, count).CopyTo(bytes[data..]);
                data += count;
                used += count;
                length -= count;
                if (length == 0)
                    state = State.DataReturn;
            }
            else if (!TakeFrame(bytes[used++]))
            {
                return -1;
            }
        }
        return data;
    }

    private bool TakeFrame(byte value)
    {
        switch (state)
        {
            case State.Size:
                return TakeSize(value);
            case State.Extension:
                if (value == '\r')
                    state = State.SizeLineFeed;
                return value != '\n' && MayIgnore();
            case State.SizeLineFeed:
                state = length > 0 ? State.Data : State.Trailer;
                digits = 0;
                return value == '\n';
            case State.DataReturn:
                state = State.DataLineFeed;
                return value == '\r';
            case State.DataLineFeed:
                state = State.Size;
                ignoredBytes = 0;
                return value == '\n';
            case State.Trailer:
                state = value == '\r' ? State.LastLineFeed : State.TrailerLine;
                return value != '\n' && MayIgnore();
            case State.TrailerLine:
                if (value == '\r')
                    state = State.TrailerLineFeed;
                return value != '\n' && MayIgnore();
            case State.TrailerLineFeed:
                state = State.Trailer;
                return value == '\n';
            case State.LastLineFeed:
                state = State.Done;
                return value == '\n';
            default:
                throw new InvalidOperationException($"No frame in {state}.");
        }
    }

    private bool TakeSize(byte value)
    {
        if (char.IsAsciiHexDigit((char)value))
        {
            length = (length << 4) + (value <= '9' ? value - '0' : (value | 0x20) - 'a' + 10);
            return ++digits <= DigitsMax;
        }
        state = value == '\r' ? State.SizeLineFeed : State.Extension;
        // Some servers pad the size with spaces.
        return digits > 0 && (value is (byte)'\r' or (byte)';' or (byte)' ' or (byte)'\t');
    }

    private bool MayIgnore() => ++ignoredBytes <= IgnoredBytesMax;
}
