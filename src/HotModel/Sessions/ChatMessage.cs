namespace HotModel.Sessions;

/// <summary>One message of a chat as it came: its raw JSON object and what decisions need of it.</summary>
/// <param name="Json">The object's UTF-8 bytes, from { to }.</param>
/// <param name="Role">Value of "role"; "" where absent.</param>
/// <param name="HasToolCalls">An assistant message with a non-empty "tool_calls".</param>
internal sealed record ChatMessage(ReadOnlyMemory<byte> Json, string Role, bool HasToolCalls)
{
    public bool IsSystem => Role is "system" or "developer";
    /// <summary>A tool's result: must follow the assistant message that called it.</summary>
    public bool IsToolResult => Role is "tool" or "function";
}
