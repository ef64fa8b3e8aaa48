namespace HotModel.Proxy;

/// <summary>What llama-server's router answers on its own when the model is not there.</summary>
internal static class ModelGoneReply
{
    public static readonly ForwardError Error = new(ForwardStage.ResponseHead, Culprit.Upstream,
        "The model's process was not there, or ended without an answer.");

    /// <summary>Only with these is it worth looking at the body.</summary>
    public static bool MayBe(int status) => status is StatusCodes.Status400BadRequest
        or StatusCodes.Status500InternalServerError or StatusCodes.Status503ServiceUnavailable;

    /// <remarks>
    /// Measured with llama-server 0.7.0 after the model's process was killed: "proxy error: Failed to read connection" to a
    /// request that was under way, "proxy error: Could not establish connection" until the router knows, then "model is not
    /// loaded", and "Loading model" from a process that has just been started.
    /// </remarks>
    public static bool Is(int status, ReadOnlySpan<byte> body) => status switch
    {
        StatusCodes.Status400BadRequest => body.IndexOf("\"model is not loaded\""u8) >= 0,
        StatusCodes.Status500InternalServerError => body.StartsWith("proxy error: "u8),
        StatusCodes.Status503ServiceUnavailable => body.IndexOf("\"Loading model\""u8) >= 0,
        _ => false,
    };
}
