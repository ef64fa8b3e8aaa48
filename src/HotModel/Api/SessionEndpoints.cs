using System.Globalization;
using System.Text.Json;
using HotModel.Sessions;

namespace HotModel.Api;

/// <summary>/admin/sessions: list, show, delete, export.</summary>
internal static class SessionEndpoints
{
    public const string NotFoundCode = "session_not_found";

    private const int DefaultLimit = 100;
    private const int MaxLimit = 1000;

    /// <param name="routes">Where.</param>
    /// <param name="store">The conversations.</param>
    /// <param name="setupOf">What is known of a model now; null: not all; "": there is no such model.</param>
    internal static void Map(IEndpointRouteBuilder routes, SessionStore store, Func<string, string?> setupOf)
    {
        routes.MapGet("/admin/sessions", context => ListAsync(context, store, SetupsOf(setupOf)));
        routes.MapGet("/admin/sessions/{id}", context => ShowAsync(context, store, SetupsOf(setupOf)));
        routes.MapDelete("/admin/sessions/{id}", context => DeleteAsync(context, store));
        routes.MapGet("/admin/sessions/{id}/export", context => ExportAsync(context, store, SetupsOf(setupOf)));
    }

    /// <summary>Looks at each model's files once for a request.</summary>
    private static Func<string, string?> SetupsOf(Func<string, string?> setupOf)
    {
        var known = new Dictionary<string, string?>(StringComparer.Ordinal);
        return model => known.TryGetValue(model, out var setup) ? setup : known[model] = setupOf(model);
    }

    private static Task ListAsync(HttpContext context, SessionStore store, Func<string, string?> setupOf)
    {
        if (!TryReadNumber(context.Request, "limit", DefaultLimit, 1, MaxLimit, out var limit))
            return BadQueryAsync(context, "limit", $"limit is a number from 1 to {MaxLimit}.");
        if (!TryReadNumber(context.Request, "offset", 0, 0, int.MaxValue, out var offset))
            return BadQueryAsync(context, "offset", "offset is a number from 0 on.");
        var page = store.List(limit, offset);
        return WriteJsonAsync(context, writer =>
        {
            writer.WriteStartObject();
            writer.WriteStartArray("sessions"u8);
            foreach (var session in page.Sessions)
            {
                writer.WriteStartObject();
                WriteSummary(writer, session, setupOf);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
            writer.WriteNumber("total"u8, page.Total);
            writer.WriteNumber("limit"u8, limit);
            writer.WriteNumber("offset"u8, offset);
            writer.WriteEndObject();
        });
    }

    private static Task ShowAsync(HttpContext context, SessionStore store, Func<string, string?> setupOf)
    {
        var id = IdOf(context);
        return store.Read(id, includeReplaced: false) is { } session
            ? WriteDocumentAsync(context, session, setupOf)
            : UnknownAsync(context, id);
    }

    private static Task ExportAsync(HttpContext context, SessionStore store, Func<string, string?> setupOf)
    {
        var id = IdOf(context);
        var query = context.Request.Query;
        var format = query["format"].ToString();
        if (format is not ("" or "json" or "jsonl"))
            return BadQueryAsync(context, "format", "format is \"json\" or \"jsonl\".");
        var all = query["all"].ToString();
        if (all is not ("" or "0" or "1" or "true" or "false"))
            return BadQueryAsync(context, "all", "all is 1 to include messages that were replaced, else 0.");
        if (store.Read(id, includeReplaced: all is "1" or "true") is not { } session)
            return UnknownAsync(context, id);
        var extension = format == "jsonl" ? "jsonl" : "json";
        // A session id has no character that would have to be quoted or escaped, except that ':' is no file name on
        // Windows.
        context.Response.Headers.ContentDisposition =
            $"attachment; filename=\"{id.Replace(':', '_')}.{extension}\"";
        return format == "jsonl" ? WriteLinesAsync(context, session) : WriteDocumentAsync(context, session, setupOf);
    }

    private static Task DeleteAsync(HttpContext context, SessionStore store)
    {
        var id = IdOf(context);
        return store.Delete(id) switch
        {
            DeleteResult.NotFound => UnknownAsync(context, id),
            DeleteResult.Failed => ApiError.WriteAsync(
                context.Response, StatusCodes.Status500InternalServerError, "server_error", "store_failed",
                $"Session {id} could not be deleted: the conversation store cannot be written. The log says why."),
            DeleteResult.Deleted => WriteJsonAsync(context, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("id"u8, id);
                writer.WriteString("object"u8, "session.deleted"u8);
                writer.WriteBoolean("deleted"u8, true);
                writer.WriteEndObject();
            }),
        };
    }

    private static async Task WriteDocumentAsync(
        HttpContext context, StoredSession session, Func<string, string?> setupOf)
    {
        context.Response.ContentType = "application/json";
        var body = context.Response.BodyWriter;
        await using var writer = new Utf8JsonWriter(body, ReadableJson.WriterOptions);
        writer.WriteStartObject();
        WriteSummary(writer, session.Summary, setupOf);
        writer.WriteStartArray("client_system"u8);
        foreach (var message in session.ClientSystem)
            writer.WriteRawValue(message.Span, skipInputValidation: true);
        writer.WriteEndArray();
        writer.WriteStartArray("history"u8);
        foreach (var message in session.Messages)
        {
            WriteEntry(writer, message, message.Json.Span);
            // One message at a time: a session with images may be larger than all else this program holds.
            await writer.FlushAsync(context.RequestAborted);
            await body.FlushAsync(context.RequestAborted);
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
        await writer.FlushAsync(context.RequestAborted);
        await body.FlushAsync(context.RequestAborted);
    }

    /// <summary>One line per message; the client's system messages first, with seq 0.</summary>
    private static async Task WriteLinesAsync(HttpContext context, StoredSession session)
    {
        context.Response.ContentType = "application/jsonl";
        var body = context.Response.BodyWriter;
        await using var writer = new Utf8JsonWriter(body, ReadableJson.WriterOptions);
        var system = session.ClientSystem.Select(json => new StoredMessage(
            0, MessageJson.Read(json).Role, Model: null, session.Summary.Created, Replaced: false, json));
        foreach (var message in system.Concat(session.Messages))
        {
            WriteEntry(writer, message, MessageJson.OneLine(message.Json.Span));
            await writer.FlushAsync(context.RequestAborted);
            writer.Reset();
            body.GetSpan(1)[0] = (byte)'\n';
            body.Advance(1);
            await body.FlushAsync(context.RequestAborted);
        }
    }

    private static void WriteSummary(Utf8JsonWriter writer, SessionSummary session, Func<string, string?> setupOf)
    {
        writer.WriteString("id"u8, session.Id);
        writer.WriteString("created_at"u8, Time(session.Created));
        writer.WriteString("updated_at"u8, Time(session.Updated));
        writer.WriteNumber("messages"u8, session.Messages);
        writer.WriteStartArray("models"u8);
        foreach (var model in session.Models)
            writer.WriteStringValue(model);
        writer.WriteEndArray();
        writer.WriteStartArray("snapshots"u8);
        foreach (var snapshot in session.Snapshots)
        {
            writer.WriteStartObject();
            writer.WriteString("model"u8, snapshot.Model);
            writer.WriteNumber("tokens"u8, snapshot.Tokens);
            writer.WriteNumber("bytes"u8, snapshot.Bytes);
            writer.WriteBoolean("current"u8, snapshot.IsCurrent);
            if (snapshot.IsUsable(setupOf(snapshot.Model)) is { } isUsable)
                writer.WriteBoolean("usable"u8, isUsable);
            else
                writer.WriteNull("usable"u8);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteNumber("reused_tokens"u8, session.ReusedTokens);
        writer.WriteNumber("saved_seconds"u8, session.SavedSeconds);
        writer.WriteString("preview"u8, session.Preview);
    }

    private static void WriteEntry(Utf8JsonWriter writer, StoredMessage message, ReadOnlySpan<byte> json)
    {
        writer.WriteStartObject();
        writer.WriteNumber("seq"u8, message.Seq);
        writer.WriteString("role"u8, message.Role);
        writer.WriteString("model"u8, message.Model);
        writer.WriteString("created_at"u8, Time(message.Created));
        writer.WriteBoolean("replaced"u8, message.Replaced);
        writer.WritePropertyName("message"u8);
        writer.WriteRawValue(json, skipInputValidation: true);
        writer.WriteEndObject();
    }

    private static async Task WriteJsonAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        context.Response.ContentType = "application/json";
        await using (var writer = new Utf8JsonWriter(context.Response.BodyWriter, ReadableJson.WriterOptions))
            write(writer);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    private static string IdOf(HttpContext context) => context.GetRouteValue("id") as string ?? "";

    private static string Time(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static bool TryReadNumber(HttpRequest request, string name, int absent, int min, int max, out int value)
    {
        value = absent;
        return !request.Query.TryGetValue(name, out var text)
            || (int.TryParse(text.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out value)
                && value >= min && value <= max);
    }

    private static Task BadQueryAsync(HttpContext context, string parameter, string message) => ApiError.WriteAsync(
        context.Response, StatusCodes.Status400BadRequest, "invalid_request_error", $"invalid_{parameter}", message);

    private static Task UnknownAsync(HttpContext context, string id) => ApiError.WriteAsync(
        context.Response, StatusCodes.Status404NotFound, "invalid_request_error", NotFoundCode,
        $"There is no session \"{id}\". GET /admin/sessions lists them.");
}
