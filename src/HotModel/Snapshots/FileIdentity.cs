using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;

namespace HotModel.Snapshots;

/// <summary>
/// Tells files apart that are too large to be read whole: by size, time of the last change, and a hash of the beginning
/// and of samples spread over the rest.
/// </summary>
/// <remarks>
/// The beginning holds the metadata and the table of tensors of a GGUF. The vocabulary makes most of it: 250,000 tokens
/// with their merges come to about 12 MB, so 16 MiB hold what there is today. Two trainings of one architecture differ
/// in every tensor, so any sample tells them apart. What goes unnoticed is a change of some bytes between the samples
/// that keeps the size and puts the old time back.
/// </remarks>
internal sealed class FileIdentity
{
    private const int HeadBytes = 16 << 20;
    private const int Samples = 32;
    private const int SampleBytes = 64 << 10;

    // As many as there are model files in the configuration. One that is remembered costs no reading.
    private readonly ConcurrentDictionary<string, Known> known = new(StringComparer.Ordinal);

    private readonly record struct Known(long Bytes, long ChangedTicks, string Hash);

    /// <returns>Null where one of the files cannot be read.</returns>
    public string? Of(IEnumerable<string> paths)
    {
        var all = new HashInput();
        foreach (var path in paths)
        {
            if (Of(path) is not { } one)
                return null;
            all.Add(one.Bytes).Add(one.ChangedTicks).Add(one.Hash);
        }
        return all.Hex();
    }

    private Known? Of(string path)
    {
        try
        {
            // Through the handle, because size and time of a link are not those of its file.
            using var file = File.OpenHandle(path, options: FileOptions.RandomAccess);
            var bytes = RandomAccess.GetLength(file);
            var changed = File.GetLastWriteTimeUtc(file).Ticks;
            if (known.TryGetValue(path, out var before) && before.Bytes == bytes && before.ChangedTicks == changed)
                return before;
            return known[path] = new Known(bytes, changed, Hash(file, bytes));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    private static string Hash(SafeFileHandle file, long bytes)
    {
        var hash = new HashInput();
        var buffer = new byte[(int)Math.Min(HeadBytes, bytes)];
        hash.Add(Read(file, buffer, 0));
        // Where the samples would overlap, the rest is small and they are all of it.
        var rest = bytes - buffer.Length;
        var step = Math.Max(SampleBytes, rest / Samples);
        var sample = new byte[SampleBytes];
        for (long at = buffer.Length; at < bytes; at += step)
            hash.Add(Read(file, sample, at));
        // The last tensor's end, which a copy that broke off and was padded lacks.
        hash.Add(Read(file, sample, Math.Max(0, bytes - SampleBytes)));
        return hash.Hex();
    }

    private static ReadOnlySpan<byte> Read(SafeFileHandle file, byte[] buffer, long at)
    {
        var length = 0;
        int count;
        while (length < buffer.Length && (count = RandomAccess.Read(file, buffer.AsSpan(length), at + length)) > 0)
            length += count;
        return buffer.AsSpan(0, length);
    }
}
