using System.CommandLine;
using System.Net;
using System.Text.Json;
using HotModel.Api;
using HotModel.Http;

namespace HotModel.Cli;

/// <summary>hotmodel sessions: what /admin/sessions of the running proxy offers.</summary>
internal static class SessionsCommand
{
    private const string IdName = "ID";

    public static Command Create()
    {
        var config = ConfigOption.Create();
        config.Recursive = true;
        var command = Create(
            parsed => ConfigOption.Load(parsed, config) is { } loaded ? ProxyAddress.OfAdmin(loaded) : null);
        command.Options.Add(config);
        return command;
    }

    /// <param name="proxyAddress">Base address of the running proxy; null: the configuration is wrong, and that was told.</param>
    public static Command Create(Func<ParseResult, Uri?> proxyAddress) =>
        new("sessions", "List, show, delete and export the stored conversations.")
        {
            List(proxyAddress),
            Show(proxyAddress),
            Delete(proxyAddress),
            Export(proxyAddress),
        };

    private static Command List(Func<ParseResult, Uri?> proxyAddress)
    {
        var json = JsonOption();
        var limit = new Option<int>("--limit")
        {
            Description = "How many, the most recently used first.",
            DefaultValueFactory = _ => 100,
        };
        var offset = new Option<int>("--offset") { Description = "How many to leave out before." };
        var command = new Command("list", "Show all sessions, the most recently used first.") { json, limit, offset };
        command.SetAction((parsed, cancel) => RunAsync(
            parsed, proxyAddress, HttpMethods.Get,
            $"admin/sessions?limit={parsed.GetValue(limit)}&offset={parsed.GetValue(offset)}",
            parsed.GetValue(json)
                ? CopyAsync
                : (body, output, cancel) => PrintAsync(body, output, SessionsTable.Write, cancel),
            cancel));
        return command;
    }

    private static Command Show(Func<ParseResult, Uri?> proxyAddress)
    {
        var id = IdArgument();
        var json = JsonOption();
        var command = new Command("show", "Show a session's messages.") { id, json };
        command.SetAction((parsed, cancel) => RunAsync(
            parsed, proxyAddress, HttpMethods.Get, PathOf(parsed.GetValue(id)!),
            parsed.GetValue(json)
                ? CopyAsync
                : (body, output, cancel) => PrintAsync(body, output, SessionsTable.WriteMessages, cancel),
            cancel));
        return command;
    }

    private static Command Delete(Func<ParseResult, Uri?> proxyAddress)
    {
        var id = IdArgument();
        var json = JsonOption();
        var command = new Command("delete", "Delete a session with all its messages and snapshots.") { id, json };
        command.SetAction((parsed, cancel) => RunAsync(
            parsed, proxyAddress, HttpMethods.Delete, PathOf(parsed.GetValue(id)!),
            parsed.GetValue(json)
                ? CopyAsync
                : (_, output, _) => output.WriteLineAsync($"Deleted session {parsed.GetValue(id)}."),
            cancel));
        return command;
    }

    private static Command Export(Func<ParseResult, Uri?> proxyAddress)
    {
        var id = IdArgument();
        var all = new Option<bool>("--all") { Description = "Also the messages that were replaced since." };
        var format = new Option<string>("--format")
        {
            Description = "json: one document; jsonl: one message a line.",
            DefaultValueFactory = _ => "json",
        };
        format.AcceptOnlyFromAmong("json", "jsonl");
        var command = new Command("export", "Write a session as JSON to standard output.") { id, all, format };
        command.SetAction((parsed, cancel) => RunAsync(
            parsed, proxyAddress, HttpMethods.Get,
            PathOf(parsed.GetValue(id)!)
                + $"/export?format={parsed.GetValue(format)}&all={(parsed.GetValue(all) ? 1 : 0)}",
            CopyAsync, cancel));
        return command;
    }

    private static Argument<string> IdArgument() => new(IdName) { Description = "The session, as the list shows it." };

    private static Option<bool> JsonOption() => new("--json") { Description = "Print the proxy's JSON as it is." };

    private static string PathOf(string id) => "admin/sessions/" + Uri.EscapeDataString(id);

    private static async Task<int> RunAsync(
        ParseResult parsed, Func<ParseResult, Uri?> proxyAddress,
        string method, string path, Func<Stream, TextWriter, CancellationToken, Task> print, CancellationToken cancel)
    {
        if (proxyAddress(parsed) is not { } address)
            return ConfigOption.BadConfigStatus;
        var (output, errors) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        using var proxy = new ProxyClient(address);
        try
        {
            using var reply = await proxy.SendAsync(method, path, cancel);
            if (reply.Status != StatusCodes.Status200OK)
            {
                var (message, code) = await ReadErrorAsync(reply, cancel);
                // The proxy's own sentence points to a route.
                if (code == SessionEndpoints.NotFoundCode)
                    message = $"There is no session \"{parsed.GetValue<string>(IdName)}\". "
                        + "\"hotmodel sessions list\" shows them.";
                await errors.WriteLineAsync($"hotmodel: {message}{ProxyClient.HintOn(code)}");
                return 1;
            }
            await print(reply.Body, output, cancel);
            return 0;
        }
        catch (HttpFailure e)
        {
            await errors.WriteLineAsync(
                $"hotmodel: no answer from {address}: {e.Message} "
                + "Is \"hotmodel serve\" running with this configuration?");
            return 1;
        }
    }

    private static async Task CopyAsync(Stream body, TextWriter output, CancellationToken cancel)
    {
        using var reader = new StreamReader(body);
        // A few pages at a time: an exported session may be large.
        var buffer = new char[16 * 1024];
        var last = '\n';
        int count;
        while ((count = await reader.ReadAsync(buffer, cancel)) > 0)
        {
            await output.WriteAsync(buffer.AsMemory(0, count), cancel);
            last = buffer[count - 1];
        }
        if (last != '\n')
            await output.WriteLineAsync();
    }

    private static async Task PrintAsync(
        Stream body, TextWriter output, Action<JsonElement, TextWriter, int?> write, CancellationToken cancel)
    {
        using var document = await JsonDocument.ParseAsync(body, cancellationToken: cancel);
        int? width = Console.IsOutputRedirected || !ReferenceEquals(output, Console.Out) ? null : Console.WindowWidth;
        write(document.RootElement, output, width is > 0 ? width : null);
    }

    private static async Task<(string Message, string? Code)> ReadErrorAsync(HttpReply reply, CancellationToken cancel)
    {
        try
        {
            using var document = await JsonDocument.ParseAsync(reply.Body, cancellationToken: cancel);
            if (document.RootElement.TryGetProperty("error", out var error)
                && error.TryGetProperty("message", out var message) && message.GetString() is { } text)
                return (text, error.TryGetProperty("code", out var code) ? code.GetString() : null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Somebody else's server on that port; its status is all there is to tell.
        }
        return ($"the server answered {reply.Status} {(HttpStatusCode)reply.Status}.", null);
    }
}
