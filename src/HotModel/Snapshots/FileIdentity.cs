using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;

namespace HotModel.Snapshots;

/// <summary>
/// Tells files apart that are too large to be read whole: by size, time of the last change, and a hash of the beginning
/// and of samples spread over all of it.
/// </summary>
/// <remarks>
/// The beginning holds the metadata and the table of tensors of a GGUF. The vocabulary makes most of it: 250,000 tokens
/// with their merges come to about 12 MB, so 16 MiB hold what there is today. Two trainings of one architecture differ
/// in every tensor, so any sample tells them apart. What goes unnoticed is a change of some bytes between the samples
/// that keeps the size and the time.
/// </remarks>
internal sealed class FileIdentity
{
    private const int HeadBytes = 16 << 20;
    private const int Samples = 32;
    private const int SampleBytes = 64 << 10;

    // As many as there are model files in the configuration.
    private readonly ConcurrentDictionary<string, Known> known = new(StringComparer.Ordinal);

    /// <param name="Head">Hash of the beginning, which makes most of the reading.</param>
    private readonly record struct Known(long Bytes, long ChangedTicks, string Head);

    /// <returns>Null where one of the files cannot be read.</returns>
    public string? Of(IEnumerable<string> paths)
    {
        var all = new HashInput();
        foreach (var path in paths)
        {
            if (!AddTo(all, path))
                return null;
        }
        return all.Hex();
    }

    private bool AddTo(HashInput all, string path)
    {
        try
        {
            // Through the handle, because size and time of a link are not those of its file.
            using var file = File.OpenHandle(path, options: FileOptions.RandomAccess);
            var bytes = RandomAccess.GetLength(file);
            var changed = File.GetLastWriteTimeUtc(file).Ticks;
            if (!known.TryGetValue(path, out var one) || one.Bytes != bytes || one.ChangedTicks != changed)
                one = known[path] = new Known(bytes, changed, Head(file, bytes));
            all.Add(one.Bytes).Add(one.ChangedTicks).Add(one.Head);
            AddSamples(all, file, bytes);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }

    private static string Head(SafeFileHandle file, long bytes) =>
        new HashInput().Add(Read(file, new byte[(int)Math.Min(HeadBytes, bytes)], 0)).Hex();

    /// <summary>Read every time: all files of an image or a store may have one time, and two trainings one size.</summary>
    private static void AddSamples(HashInput all, SafeFileHandle file, long bytes)
    {
        var sample = new byte[SampleBytes];
        // Where the samples would overlap, the file is small and they are all of it.
        var step = Math.Max(SampleBytes, bytes / Samples);
        for (var at = 0L; at < bytes; at += step)
            all.Add(Read(file, sample, at));
        // The last tensor's end, which a copy that broke off and was padded lacks.
        all.Add(Read(file, sample, Math.Max(0, bytes - SampleBytes)));
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
