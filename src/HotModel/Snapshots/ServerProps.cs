using System.Text.Json;

namespace HotModel.Snapshots;

/// <summary>What a model's llama-server says of itself under /props.</summary>
/// <param name="ContextTokens">Of one slot.</param>
internal sealed record ServerProps(string Build, string? ModelPath, int ContextTokens, int Slots, string Template)
{
    /// <returns>Null where something is missing that slot files depend on.</returns>
    public static ServerProps? Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object
                || Text(root, "build_info") is not { Length: > 0 } build
                || Number(root, "total_slots") is not { } slots
                || !root.TryGetProperty("default_generation_settings", out var settings)
                || settings.ValueKind != JsonValueKind.Object
                || Number(settings, "n_ctx") is not { } context)
                return null;
            return new ServerProps(
                build, Text(root, "model_path"), context, slots, Text(root, "chat_template") ?? "");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static int? Number(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt32(out var number) ? number : null;
}
