using HotModel.Snapshots;

namespace HotModel.Fit;

/// <summary>Reads what a model's files say about it, without its weights.</summary>
internal static class GgufReader
{
    private const int LeastFileBytes = 24; // magic, version and the two counts

    /// <param name="path">The only file, or the first of several.</param>
    public static GgufResult Read(string path)
    {
        var paths = ServerArguments.Shards(path);
        GgufMetadata? metadata = null;
        var tensors = new List<GgufTensor>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < paths.Count; i++)
        {
            var (part, fault) = ReadPart(paths[i]);
            if (part is null)
            {
                // A file that was merged from several and kept the name of the first needs no others.
                var isNeeded = i == 0 || metadata!.Number("split.count") > 1;
                return GgufResult.Failed($"{paths[i]} {fault!.Message}") with { IsNoModel = fault.IsNoModel && isNeeded };
            }
            metadata ??= part.Metadata;
            if (FaultOfPart(part, i, paths.Count) is { } wrong)
                return GgufResult.Failed($"{paths[i]} {wrong}");
            if (part.Tensors.FirstOrDefault(tensor => !names.Add(tensor.Name)) is { } doubled)
                return GgufResult.Failed($"{paths[i]} has the tensor {GgufPart.Shown(doubled.Name)}, as a file before it has");
            tensors.AddRange(part.Tensors);
        }
        if (metadata is null)
            return GgufResult.Failed($"{path} is said to be one of no files");
        return new GgufModel(metadata, tensors);
    }

    private static string? FaultOfPart(GgufPart part, int index, int count)
    {
        // What llama.cpp's splitter writes; a file that was never split has none of it.
        var said = part.Metadata.Number("split.count") ?? (count == 1 ? 1 : null);
        if (said is null)
            return "is no part of a model in several files";
        if (said.Value is not (0 or 1) && said != count)
            return $"is one of {said} files, its name says one of {count}";
        return part.Metadata.Number("split.no") is { } number && number != index
            ? $"is file {number + 1} of its model, its name says {index + 1}" : null;
    }

    private static (GgufPart? Part, GgufFault? Fault) ReadPart(string path)
    {
        try
        {
            var info = new FileInfo(path);
            if (!info.Exists)
                return (null, new GgufFault("does not exist") { IsNoModel = true });
            // Before it is opened: opening a pipe, which has no length, would wait for somebody who writes to it.
            if (Length(info) < LeastFileBytes)
                return (null, new GgufFault("is too short for a GGUF") { IsNoModel = true });
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
            return (GgufPart.Read(file, file.Length), null);
        }
        catch (GgufFault e)
        {
            return (null, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            return (null, new GgufFault($"cannot be read: {e.Message}"));
        }

        static long Length(FileInfo info) =>
            info.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target ? target.Length : info.Length;
    }
}
