namespace HotModel.Proxy;

/// <summary>What llama-server's router answers on its own when the model is not there.</summary>
internal static class ModelGoneReply
{
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
