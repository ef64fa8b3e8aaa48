namespace HotModel.Proxy;

/// <summary>What llama-server's router answers on its own, without the model.</summary>
internal static class RouterReply
{
    /// <summary>True where the model was not there, so that it cannot have begun to work on the request.</summary>
    /// <remarks>
    /// Measured with llama-server 0.7.0 after the model's process was killed: "model is not loaded" once the router knows;
    /// "Could not establish connection" before; "Loading model" from a process that has just been started.
    /// "Failed to read connection" is not among them: the model may have been at work.
    /// </remarks>
    public static bool IsWithoutModel(int status, ReadOnlySpan<byte> body) => status switch
    {
        StatusCodes.Status400BadRequest => body.IndexOf("\"model is not loaded\""u8) >= 0,
        StatusCodes.Status500InternalServerError => body.IndexOf("Could not establish connection"u8) >= 0,
        StatusCodes.Status503ServiceUnavailable => body.IndexOf("\"Loading model\""u8) >= 0,
        _ => false,
    };
}
