namespace HotModel.Proxy;

/// <summary>A body in one piece, for what cannot be passed on as it comes.</summary>
internal static class BoundedBody
{
    // A body that only claims to be long takes no memory for it.
    public const int FirstBufferBytes = 64 << 10;

    /// <summary>Null where it is longer than the limit, or than its share. Throws what the stream throws.</summary>
    /// <param name="stream">The body.</param>
    /// <param name="declaredBytes">How long it says it is.</param>
    /// <param name="limitBytes">How long it may be.</param>
    /// <param name="cancel">Passed on to the stream.</param>
    /// <param name="onWait">Called before each read, with how much has come.</param>
    /// <param name="share">Asked for memory beyond the first buffer; null: there is enough.</param>
    /// <remarks>The memory is not pooled: messages of it outlive the request in the store's hands.</remarks>
    public static async Task<ReadOnlyMemory<byte>?> ReadAsync(
        Stream stream, long? declaredBytes, long limitBytes, CancellationToken cancel, Action<int>? onWait = null,
        BodyBudget.BodyShare? share = null)
    {
        if (declaredBytes > limitBytes)
            return null;
        // One byte more than declared, so that the end is seen without growing.
        var buffer = new byte[Math.Min((declaredBytes + 1) ?? FirstBufferBytes, FirstBufferBytes)];
        int length = 0;
        while (true)
        {
            onWait?.Invoke(length);
            int read = await stream.ReadAsync(buffer.AsMemory(length), cancel);
            if (read == 0)
                return buffer.AsMemory(0, length);
            length += read;
            if (length > limitBytes)
                return null;
            if (length < buffer.Length)
                continue;
            int size = NextSize(length, declaredBytes);
            if (share?.TryGrow(size - length) == false)
                return null;
            Array.Resize(ref buffer, size);
        }
    }

    private static int NextSize(int length, long? declaredBytes)
    {
        long doubled = 2L * length;
        long wanted = declaredBytes is { } declared && declared >= length ? Math.Min(doubled, declared + 1) : doubled;
        return (int)Math.Min(wanted, Array.MaxLength);
    }
}
