using System.Text.Json;

namespace HotModel.Api;

/// <summary>Body of POST /admin/switch, as hotmodel switch writes it.</summary>
/// <param name="Model">A configured name.</param>
/// <param name="Force">At the drain's deadline cut running answers instead of failing; switch though it does not fit.</param>
/// <param name="DrainTimeoutSeconds">Instead of switch_drain_timeout_seconds, for this switch.</param>
/// <param name="DryRun">Only tell what the switch would do.</param>
internal sealed record SwitchRequestBody(string? Model, bool? Force, double? DrainTimeoutSeconds, bool? DryRun = null);

/// <summary>Reads the body of POST /admin/switch. Strictly: without a misspelt key it would be another switch.</summary>
internal static class SwitchRequest
{
    public const string Example = "Send JSON such as {\"model\": \"NAME\", \"force\": false, \"drain_timeout_seconds\": 300}.";
    /// <summary>Without the name, which is another one on the command line.</summary>
    public const string DrainTimeoutRule = "must be a number of seconds, 0 to 1000000";

    public static bool IsDrainTimeout(double seconds) => seconds is >= 0 and <= 1_000_000;

    /// <summary>Exactly one of the two is set. The problem is a sentence without its full stop.</summary>
    public static (SwitchRequestBody? Body, string? Problem) Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? Read(document.RootElement)
                : (null, "The body is no JSON object");
        }
        catch (JsonException)
        {
            return (null, "The body is not JSON");
        }
    }

    private static (SwitchRequestBody? Body, string? Problem) Read(JsonElement request)
    {
        var body = new SwitchRequestBody(null, null, null);
        foreach (var member in request.EnumerateObject())
        {
            var value = member.Value;
            var isNull = value.ValueKind == JsonValueKind.Null;
            switch (member.Name)
            {
                case "model" when value.ValueKind == JsonValueKind.String:
                    body = body with { Model = value.GetString() };
                    break;
                case "model" when !isNull:
                    return (null, "\"model\" must be a text, the name of a model");
                case "force" when value.ValueKind is JsonValueKind.True or JsonValueKind.False:
                    body = body with { Force = value.GetBoolean() };
                    break;
                case "force" when !isNull:
                    return (null, "\"force\" must be true or false");
                case "drain_timeout_seconds" when value.ValueKind == JsonValueKind.Number
                    && value.TryGetDouble(out var seconds) && IsDrainTimeout(seconds):
                    body = body with { DrainTimeoutSeconds = seconds };
                    break;
                case "drain_timeout_seconds" when !isNull:
                    return (null, $"\"drain_timeout_seconds\" {DrainTimeoutRule}");
                case "dry_run" when value.ValueKind is JsonValueKind.True or JsonValueKind.False:
                    body = body with { DryRun = value.GetBoolean() };
                    break;
                case "dry_run" when !isNull:
                    return (null, "\"dry_run\" must be true or false");
                case "model" or "force" or "dry_run" or "drain_timeout_seconds":
                    break;
                default:
                    return (null, $"\"{member.Name}\" is not known here; "
                        + "allowed are \"model\", \"force\", \"drain_timeout_seconds\" and \"dry_run\"");
            }
        }
        return string.IsNullOrEmpty(body.Model) ? (null, "\"model\" is missing") : (body, null);
    }
}
