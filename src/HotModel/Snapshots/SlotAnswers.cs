using System.Text.Json;

namespace HotModel.Snapshots;

/// <summary>What llama-server says of a slot.</summary>
/// <param name="Tokens">That it holds; null where this build does not tell.</param>
internal readonly record struct SlotState(bool IsProcessing, int? Tokens);

/// <param name="Tokens">Saved to, or restored from the file.</param>
internal readonly record struct SlotTransfer(int Tokens, long Bytes);

/// <summary>Reads llama-server's answers about slots; null for what is not such an answer.</summary>
internal static class SlotAnswers
{
    public static SlotState? FindSlot(ReadOnlyMemory<byte> json, int slot) => Parse<SlotState>(json, root =>
    {
        if (root.ValueKind != JsonValueKind.Array)
            return null;
        foreach (var item in root.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Object || Number(item, "id") != slot)
                continue;
            var isProcessing = item.TryGetProperty("is_processing", out var busy) && busy.ValueKind == JsonValueKind.True;
            // A slot that never had a task says nothing of tokens because it holds none.
            var tokens = Number(item, "n_prompt_tokens") ?? (item.TryGetProperty("id_task", out _) ? null : 0);
            return new SlotState(isProcessing, (int?)tokens);
        }
        return null;
    });

    /// <summary>Slots that work.</summary>
    public static IReadOnlyList<int>? Running(ReadOnlyMemory<byte> json)
    {
        var running = new List<int>();
        return Parse<bool>(json, root =>
        {
            if (root.ValueKind != JsonValueKind.Array)
                return null;
            foreach (var item in root.EnumerateArray())
            {
                if (item.ValueKind == JsonValueKind.Object && Number(item, "id") is { } id
                    && item.TryGetProperty("is_processing", out var busy) && busy.ValueKind == JsonValueKind.True)
                    running.Add((int)id);
            }
            return true;
        }) is null ? null : running;
    }

    public static int? Count(ReadOnlyMemory<byte> json) => Parse<int>(json, root =>
        root.ValueKind == JsonValueKind.Array ? root.GetArrayLength() : null);

    public static SlotTransfer? Saved(ReadOnlyMemory<byte> json) => Transfer(json, "n_saved", "n_written");

    public static SlotTransfer? Restored(ReadOnlyMemory<byte> json) => Transfer(json, "n_restored", "n_read");

    private static SlotTransfer? Transfer(ReadOnlyMemory<byte> json, string tokens, string bytes) =>
        Parse<SlotTransfer>(json, root =>
            root.ValueKind == JsonValueKind.Object && Number(root, tokens) is { } count and <= int.MaxValue
                && Number(root, bytes) is { } size
                ? new SlotTransfer((int)count, size) : null);

    private static T? Parse<T>(ReadOnlyMemory<byte> json, Func<JsonElement, T?> read) where T : struct
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return read(document.RootElement);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static long? Number(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt64(out var number) ? number : null;
}
