namespace HotModel.Proxy;

/// <summary>What every relayed answer says beside the upstream's own.</summary>
internal static class AnswerHeaders
{
    public const string Session = "X-HotModel-Session";
    public const string Model = "X-HotModel-Model";

    /// <remarks>Header values are ASCII; a name may be anything.</remarks>
    public static void SetModel(HttpResponse response, string name) => response.Headers[Model] =
        name.AsSpan().ContainsAnyExceptInRange(' ', '~') ? Uri.EscapeDataString(name) : name;
}
