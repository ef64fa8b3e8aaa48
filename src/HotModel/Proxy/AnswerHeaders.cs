namespace HotModel.Proxy;

/// <summary>What every relayed answer says beside the upstream's own.</summary>
internal static class AnswerHeaders
{
    public const string Session = "X-HotModel-Session";
    public const string Model = "X-HotModel-Model";

    /// <remarks>Header values are ASCII; a name may be anything.</remarks>
    public static void SetModel(HttpResponse response, string name) => response.Headers[Model] =
        name.AsSpan().ContainsAnyExceptInRange(' ', '~') ? Uri.EscapeDataString(name) : name;

    /// <summary>The same without blanks.</summary>
    public static string Word(string name) =>
        name.AsSpan().ContainsAnyExceptInRange('!', '~') ? Uri.EscapeDataString(name) : name;

    /// <summary>An event stream is kept by nobody on its way, nor held back.</summary>
    public static void SetUnbuffered(HttpResponse response)
    {
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
    }
}
