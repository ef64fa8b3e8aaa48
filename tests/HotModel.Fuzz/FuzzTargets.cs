using HotModel.Fuzz.Targets;

namespace HotModel.Fuzz;

/// <param name="Name">Also that of its folder in Corpus/, and of its dictionary.</param>
/// <param name="Run">Throws where something that is claimed does not hold.</param>
internal sealed record FuzzTarget(string Name, Action<byte[]> Run);

/// <summary>Everything that reads what others wrote. What each of them claims stands above it.</summary>
internal static class FuzzTargets
{
    public static readonly IReadOnlyList<FuzzTarget> All =
    [
        new("chat", ChatTarget.Run),
        new("body", BodyTarget.Run),
        new("form", FormTarget.Run),
        new("sse", SseTarget.Run),
        new("reply", ReplyTarget.Run),
        new("gguf", GgufTarget.Run),
        new("config", ConfigTarget.Run),
        new("preset", PresetTarget.Run),
    ];

    public static byte[] ReadAll(Stream stream)
    {
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
