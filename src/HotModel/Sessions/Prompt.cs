namespace HotModel.Sessions;

/// <param name="Messages">To send, each a JSON object, in order.</param>
internal sealed record Prompt(IReadOnlyList<ReadOnlyMemory<byte>> Messages, PromptBudget Budget);

/// <param name="Cost">Of what is sent, in <paramref name="Unit"/>; 0 without a budget.</param>
/// <param name="Unit">Of the finest budget that is set: "tokens", else "chars", else "messages"; "chars" where none is.</param>
/// <param name="DroppedMessages">Messages of the history that are not sent. They stay stored.</param>
internal readonly record struct PromptBudget(int Cost, string Unit, int DroppedMessages);
