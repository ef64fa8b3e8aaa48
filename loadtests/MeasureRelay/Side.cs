namespace MeasureRelay;

/// <summary>A way to the scripted upstream, and the processes whose cost counts: none where there is nothing between.</summary>
internal sealed record Side(string Name, int Port, string Path, bool HasSessions, IReadOnlyList<int> Processes)
{
    public const string Direct = "direct";
    public const string Nginx = "nginx";
    public const string HaProxy = "haproxy";
    public const string HotModel = "hotmodel";
    public const string HotModelSession = "hotmodel-session";

    public static readonly IReadOnlyList<string> All = [Direct, Nginx, HaProxy, HotModel, HotModelSession];

    public const string ChatPath = "/v1/chat/completions";
    // Streams like a chat, and no session is kept of it.
    public const string CompletionPath = "/v1/completions";

    public Cost Cost() => MeasureRelay.Cost.Of(Processes);
}
