using System.CommandLine;
using System.Net;
using System.Text.Json;
using HotModel.Api;
using HotModel.Cli;
using HotModel.Sessions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using static HotModel.Tests.Sessions.StateFolder;

namespace HotModel.Tests.Sessions;

/// <summary>The admin routes over real HTTP, and the command that uses them.</summary>
public sealed class SessionEndpointsTests : IAsyncLifetime
{
    private const string Indented = "{\n \"role\": \"user\",\n \"content\": \"what is é?\"\n}";

    private readonly StateFolder folder = new();
    private readonly SessionStore store;
    private readonly WebApplication app;
    private HttpClient client = null!;

    public SessionEndpointsTests()
    {
        store = folder.Open();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        app = builder.Build();
        SessionEndpoints.Map(app, store, model => model == "gone" ? "" : "setup of " + model);
    }

    public async ValueTask InitializeAsync()
    {
        await app.StartAsync();
        client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        var conversations = new Conversations(store, folder.Time);
        await Turn(conversations, "one", "small", Instruction("be brief"), Json(Indented));
        folder.Time.Advance(TimeSpan.FromSeconds(90.5));
        await Turn(conversations, "one", "big", User("second"));
        await Turn(conversations, "two:x", "big", User("hello\nthere"));
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await app.DisposeAsync();
        store.Dispose();
        folder.Dispose();
    }

    private static async Task Turn(Conversations conversations, string? id, string model, params ChatMessage[] messages)
    {
        using var turn = await conversations.BeginAsync(id, messages, TimeSpan.Zero, default);
        Assert.True(turn!.Complete(Assistant("answer of " + model).Json, model).Stored);
    }

    private async Task<JsonElement> Get(string path, HttpStatusCode status = HttpStatusCode.OK)
    {
        using var response = await client.GetAsync(path);
        Assert.Equal(status, response.StatusCode);
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        return JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
    }

    private async Task<(int Code, string Output, string Errors)> Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        var command = new RootCommand { SessionsCommand.Create(_ => client.BaseAddress!) };
        var code = await command.Parse(["sessions", .. arguments])
            .InvokeAsync(new InvocationConfiguration { Output = output, Error = errors });
        return (code, output.ToString(), errors.ToString());
    }

    [Fact]
    public async Task List_shows_the_latest_first()
    {
        var page = await Get("/admin/sessions");
        Assert.Equal(2, page.GetProperty("total").GetInt32());
        var sessions = page.GetProperty("sessions");
        Assert.Equal(
            """{"id":"two:x","created_at":"2026-01-01T00:01:30.500Z","updated_at":"2026-01-01T00:01:30.500Z","messages":2,"models":["big"],"snapshots":[],"reused_tokens":0,"saved_seconds":0,"preview":"hello there"}""",
            sessions[0].GetRawText());
        Assert.Equal(
            """{"id":"one","created_at":"2026-01-01T00:00:00.000Z","updated_at":"2026-01-01T00:01:30.500Z","messages":4,"models":["small","big"],"snapshots":[],"reused_tokens":0,"saved_seconds":0,"preview":"what is é?"}""",
            sessions[1].GetRawText());
    }

    [Fact]
    public async Task Snapshots_of_a_session_are_shown_the_most_recently_used_first()
    {
        AddSnapshot("one", "e", "gone", 400, 1_000, isCurrent: true, setup: "setup of gone");
        AddSnapshot("one", "f", "small", 700, 1_234_567, setup: "setup of small");
        AddSnapshot("one", "g", "small", 600, 1_000, setup: "another");
        AddSnapshot("one", "h", "big", 900, 20_000_000, isCurrent: true);
        store.CountReuse(store.Find("one")!.Key, 900, 12.5);
        store.CountReuse(store.Find("one")!.Key, 100, 0.25);

        var page = await Get("/admin/sessions");
        Assert.Equal(0, page.GetProperty("sessions")[0].GetProperty("snapshots").GetArrayLength());
        Assert.Equal(
            """[{"model":"big","tokens":900,"bytes":20000000,"current":true,"usable":null},{"model":"small","tokens":600,"bytes":1000,"current":false,"usable":false},{"model":"small","tokens":700,"bytes":1234567,"current":false,"usable":true},{"model":"gone","tokens":400,"bytes":1000,"current":true,"usable":false}]""",
            page.GetProperty("sessions")[1].GetProperty("snapshots").GetRawText());
        Assert.EndsWith("small, big  big, small (older), gone (unusable)  what is é?",
            (await Run("list")).Output.TrimEnd(), StringComparison.Ordinal);
        const string unusable = "of another file, other options or another build of it: of no use now";
        Assert.Equal(
            ["Snapshot of big: 900 tokens, 20.0 MB",
                $"Snapshot of small: 600 tokens, 0.0 MB, {unusable}",
                "Snapshot of small: 700 tokens, 1.2 MB, of a part of the conversation",
                $"Snapshot of gone: 400 tokens, 0.0 MB, {unusable}",
                "Reused from snapshots: 1000 tokens, which saved 12.8 s", "", "[system]"],
            (await Run("show", "one")).Output.Split(Environment.NewLine)[1..8]);
    }

    private void AddSnapshot(string session, string fingerprint, string model, int tokens, long bytes,
        bool isCurrent = false, string? setup = null)
    {
        folder.Time.Advance(TimeSpan.FromSeconds(1));
        var head = store.Find(session)!;
        Assert.Null(store.AddSnapshot(new StoredSnapshot(fingerprint + ".slot", head.Key, model, fingerprint,
            "m", isCurrent ? head.LastHash : default, tokens, bytes, 0)
        {
            Setup = setup,
        }, "boot"));
    }

    [Fact]
    public async Task List_limit_and_offset_page_through()
    {
        var page = await Get("/admin/sessions?limit=1&offset=1");
        Assert.Equal("one", page.GetProperty("sessions")[0].GetProperty("id").GetString());
        Assert.Equal(1, page.GetProperty("sessions").GetArrayLength());
        Assert.Equal(0, (await Get("/admin/sessions?offset=5")).GetProperty("sessions").GetArrayLength());
    }

    [Theory]
    [InlineData("/admin/sessions?limit=0")]
    [InlineData("/admin/sessions?limit=1001")]
    [InlineData("/admin/sessions?limit=x")]
    [InlineData("/admin/sessions?offset=-1")]
    [InlineData("/admin/sessions/one/export?format=xml")]
    [InlineData("/admin/sessions/one/export?all=maybe")]
    public async Task Query_that_is_not_understood_is_refused(string path)
    {
        var error = (await Get(path, HttpStatusCode.BadRequest)).GetProperty("error");
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
    }

    [Fact]
    public async Task Show_has_system_messages_and_history_as_they_came()
    {
        var session = await Get("/admin/sessions/one");
        Assert.Equal("be brief", session.GetProperty("client_system")[0].GetProperty("content").GetString());
        var history = session.GetProperty("history");
        Assert.Equal(Indented, history[0].GetProperty("message").GetRawText());
        Assert.Equal(JsonValueKind.Null, history[0].GetProperty("model").ValueKind);
        Assert.Equal("big", history[3].GetProperty("model").GetString());
        Assert.Equal([1, 2, 3, 4], history.EnumerateArray().Select(entry => entry.GetProperty("seq").GetInt32()));
    }

    [Theory]
    [InlineData("/admin/sessions/none")]
    [InlineData("/admin/sessions/none/export")]
    public async Task Unknown_session_is_404(string path)
    {
        var error = (await Get(path, HttpStatusCode.NotFound)).GetProperty("error");
        Assert.Equal("session_not_found", error.GetProperty("code").GetString());
        Assert.Contains("none", error.GetProperty("message").GetString());
    }

    [Fact]
    public async Task Delete_removes_the_session_once()
    {
        using (var response = await client.DeleteAsync("/admin/sessions/two:x"))
        {
            Assert.Equal(
                """{"id":"two:x","object":"session.deleted","deleted":true}""", await response.Content.ReadAsStringAsync());
        }
        using (var response = await client.DeleteAsync("/admin/sessions/two:x"))
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Null(store.Find("two:x"));
    }

    [Fact]
    public async Task Export_all_includes_what_was_replaced()
    {
        await Turn(new Conversations(store, folder.Time), "one", "big",
            User("what is é?"), Assistant("answer of small"), User("second edited"));
        Assert.Equal(4, (await Get("/admin/sessions/one/export")).GetProperty("history").GetArrayLength());
        Assert.Equal(
            [false, false, true, true, false, false],
            (await Get("/admin/sessions/one/export?all=1")).GetProperty("history").EnumerateArray()
                .Select(entry => entry.GetProperty("replaced").GetBoolean()));
    }

    [Fact]
    public async Task Export_jsonl_is_one_message_a_line()
    {
        using var response = await client.GetAsync("/admin/sessions/one/export?format=jsonl");
        Assert.Equal("attachment; filename=\"one.jsonl\"", response.Content.Headers.ContentDisposition?.ToString());
        var lines = (await response.Content.ReadAsStringAsync()).Split('\n');
        Assert.Equal("", lines[^1]);
        var entries = lines[..^1].Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal([0, 1, 2, 3, 4], entries.Select(entry => entry.GetProperty("seq").GetInt32()));
        Assert.Equal("""{"role":"user","content":"what is é?"}""", entries[1].GetProperty("message").GetRawText());
    }

    [Fact]
    public async Task Command_list_is_a_table()
    {
        var (code, output, _) = await Run("list");
        Assert.Equal(0, code);
        var lines = output.TrimEnd().Split(Environment.NewLine);
        Assert.Equal(3, lines.Length);
        Assert.StartsWith("ID     UPDATED              MESSAGES  MODELS      SNAPSHOTS  PREVIEW", lines[0]);
        Assert.StartsWith("two:x  ", lines[1]);
        Assert.EndsWith("4         small, big             what is é?", lines[2]);
    }

    [Fact]
    public async Task Command_list_says_what_it_leaves_out()
    {
        Assert.Contains("1 of 2 sessions", (await Run("list", "--limit", "1")).Output);
        Assert.Equal("one", JsonDocument.Parse((await Run("list", "--json", "--offset", "1")).Output)
            .RootElement.GetProperty("sessions")[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task Command_show_prints_the_conversation()
    {
        var (code, output, _) = await Run("show", "one");
        Assert.Equal(0, code);
        var lines = output.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            ["[system]", "be brief", "[user]", "what is é?", "[assistant, small]", "answer of small",
                "[user]", "second", "[assistant, big]", "answer of big"],
            lines[1..]);
    }

    [Fact]
    public async Task Command_show_does_not_let_a_message_steer_the_terminal()
    {
        await Turn(new Conversations(store, folder.Time), "evil", "m", User("a\u001b[2Jb\u0007"));
        var output = (await Run("show", "evil")).Output;
        Assert.Contains("a[2Jb", output);
        Assert.DoesNotContain('\u001b', output);
    }

    [Fact]
    public async Task Command_export_prints_what_the_route_gives()
    {
        var (code, output, _) = await Run("export", "one", "--format", "jsonl", "--all");
        Assert.Equal(0, code);
        Assert.Equal(await client.GetStringAsync("/admin/sessions/one/export?format=jsonl&all=1"), output);
        Assert.NotEqual(0, (await Run("export", "one", "--format", "xml")).Code);
    }

    [Fact]
    public async Task Command_delete_deletes()
    {
        Assert.Equal((0, $"Deleted session two:x.{Environment.NewLine}", ""), await Run("delete", "two:x"));
        var (code, output, errors) = await Run("delete", "two:x");
        Assert.Equal((1, ""), (code, output));
        Assert.Contains("There is no session \"two:x\"", errors);
    }

    [Theory]
    [InlineData("show")]
    [InlineData("delete")]
    [InlineData("export")]
    public async Task Command_with_an_unknown_session_says_so_and_points_to_the_list(string command)
    {
        Assert.Equal(
            (1, "", $"hotmodel: There is no session \"nope\". \"hotmodel sessions list\" shows them.{Environment.NewLine}"),
            await Run(command, "nope"));
    }

    [Fact]
    public async Task Command_without_a_proxy_says_so()
    {
        await app.StopAsync();
        var (code, _, errors) = await Run("list");
        Assert.Equal(1, code);
        Assert.Contains("Is \"hotmodel serve\" running", errors);
    }
}
