using System.Text.Json;
using HotModel.Proxy;

namespace HotModel.Api;

/// <summary>Body of POST /admin/reload; there may be none.</summary>
/// <param name="DryRun">Only tell what the reload would do.</param>
internal sealed record ReloadRequestBody(bool? DryRun);

/// <summary>POST /admin/reload.</summary>
internal sealed class ReloadEndpoint(ConfigReload reload)
{
    private const int MaxBodyBytes = 1 << 10;
    private const string Example = "Send no body, or JSON such as {\"dry_run\": true}.";

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost("/admin/reload", ReloadAsync);

    private async Task ReloadAsync(HttpContext context)
    {
        if (!ClientBodies.HasJsonOrNothing(context))
        {
            await ClientBodies.RefuseTypeAsync(context.Response, more: " " + Example);
            return;
        }
        var (isDryRun, problem) = await ReadAsync(context);
        if (problem is not null)
        {
            await ApiError.WriteAsync(context.Response, StatusCodes.Status400BadRequest, ApiError.InvalidRequest,
                "invalid_reload", $"{problem}. {Example}");
            return;
        }
        // What has begun is carried out, whoever goes away.
        var (report, errors) = await reload.RunAsync(isDryRun, CancellationToken.None);
        if (report is null)
        {
            await ApiError.WriteAsync(context.Response, StatusCodes.Status422UnprocessableEntity, ApiError.InvalidRequest,
                "invalid_configuration", string.Join('\n', errors));
            return;
        }
        await context.Response.WriteAsJsonAsync(
            report, ReadableAdminJson.Context.ReloadReport, cancellationToken: context.RequestAborted);
    }

    private static async Task<(bool IsDryRun, string? Problem)> ReadAsync(HttpContext context)
    {
        var (body, refusal) = await ClientBodies.ReadAsync(context, MaxBodyBytes);
        if (refusal is not null)
            return (false, refusal.Message.TrimEnd('.'));
        try
        {
            return body.IsEmpty ? (false, null) : Read(body);
        }
        catch (JsonException)
        {
            return (false, "The body is not JSON");
        }
    }

    private static (bool IsDryRun, string? Problem) Read(ReadOnlyMemory<byte> body)
    {
        using var document = JsonDocument.Parse(body);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            return (false, "The body is no JSON object");
        var isDryRun = false;
        foreach (var member in document.RootElement.EnumerateObject())
        {
            if (member.Name != "dry_run")
                return (false, $"\"{member.Name}\" is not known here; allowed is \"dry_run\"");
            if (member.Value.ValueKind is not (JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null))
                return (false, "\"dry_run\" must be true or false");
            isDryRun = member.Value.ValueKind == JsonValueKind.True;
        }
        return (isDryRun, null);
    }
}
