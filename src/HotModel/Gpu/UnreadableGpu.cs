namespace HotModel.Gpu;

/// <summary>GPUs that llama-server may compute on and whose memory NVML does not tell: of AMD, Intel and Apple.</summary>
internal static class UnreadableGpu
{
    // Where Linux shows GPUs to programs: render nodes, AMD's compute interface, Windows' GPUs in its Linux.
    private const string RenderNodes = "/dev/dri";
    private static readonly string[] Interfaces = ["/dev/kfd", "/dev/dxg"];

    public static bool MayExist => !OperatingSystem.IsLinux() || Interfaces.Any(File.Exists) || HasRenderNode();

    private static bool HasRenderNode()
    {
        try
        {
            return Directory.Exists(RenderNodes) && Directory.EnumerateFileSystemEntries(RenderNodes, "renderD*").Any();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }
}
