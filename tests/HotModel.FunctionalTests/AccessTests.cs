using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests;

/// <summary>The attacks of docs/security.md on the built executable, by their numbers there; more are in Strangers.</summary>
public sealed class AccessTests
{
    private const string Inference = "hm-of-a-chat-window";
    private const string Read = "hm-of-a-monitor";
    private const string Admin = "hm-of-the-owner";
    private const string Background = "hm-of-the-night-shift";

    private static readonly byte[] Chat = Bytes(Chats.Request("hello"));
    private static readonly byte[] Switch = Bytes(new JsonObject { ["model"] = "b" });

    private static Setup WithKeys(string server = "") => new()
    {
        Server = server,
        ApiKey = Admin,
        Sections = string.Concat(
            Key("chat", Inference, "'inference'"), Key("monitor", Read, "'read'"), Key("owner", Admin, "'admin'"),
            Key("night", Background, "'inference'", "class = 'background'")),
    };

    [Fact]
    public async Task A1_web_page_cannot_use_the_server_behind_the_users_back()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        await hotmodel.Api.ChatAsync("hello", session: "mine");
        foreach (var (path, body) in ((string, byte[])[])[("v1/chat/completions", Chat), ("admin/switch", Switch)])
        {
            // As browsers send it: with the origin; from a form as text; without a type; from a sandboxed frame.
            await AssertRefusedAsync(path, body, "application/json", ("Origin", "https://evil.example"));
            await AssertRefusedAsync(path, body, "text/plain", ("Origin", "https://evil.example"));
            await AssertRefusedAsync(path, body, "application/json", ("Origin", "null"));
            await AssertRefusedAsync(path, body, "application/json", ("Sec-Fetch-Site", "cross-site"));
            Assert.Equal(415, (await hotmodel.Api.RawAsync(HttpMethod.Post, path, body, "text/plain")).Status);
        }
        Assert.Equal(403, await StatusAsync(hotmodel.Api, HttpMethod.Delete, "admin/sessions/mine", null, ("Origin", "https://evil.example")));
        Assert.Equal(200, (await hotmodel.Api.GetAsync("admin/sessions/mine")).Status);
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);

        async Task AssertRefusedAsync(string path, byte[] body, string type, (string Name, string Value) header)
        {
            var reply = await hotmodel.Api.RawAsync(HttpMethod.Post, path, body, type, Header(header));
            Assert.Equal(403, reply.Status);
            Assert.Contains("foreign_origin", reply.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A2_name_that_was_made_to_point_here_reads_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Server = "allowed_hosts = [\"gpu-box.lan\"]" });
        foreach (var path in (string[])["admin/state", "admin/metrics", "admin/sessions", "admin/events", "slots", "props"])
            Assert.Equal(403, await StatusAsync(hotmodel.Api, HttpMethod.Get, path, null, ("Host", $"evil.example:{hotmodel.Setup.Port}")));
        Assert.Equal(403, await StatusAsync(hotmodel.Api, HttpMethod.Post, "v1/chat/completions", Chat,
            ("Host", "evil.example"), ("Origin", "http://evil.example")));
        Assert.Equal(200, await StatusAsync(hotmodel.Api, HttpMethod.Get, "admin/state", null, ("Host", "GPU-box.lan")));
        Assert.Equal(200, await StatusAsync(hotmodel.Api, HttpMethod.Get, "admin/state", null, ("Host", "localhost")));
    }

    [Fact]
    public async Task A3_no_get_changes_anything()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        var child = hotmodel.ModelChild.Pid;
        foreach (var path in (string[])["admin/switch?model=b", "models/load?model=b", "models/unload?model=a", "v1/chat/completions",
            "slots?model=b&autoload=true", "props?model=b", "v1/models/b", "slots/0?action=erase"])
            await hotmodel.Api.RawAsync(HttpMethod.Get, path);
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
        Assert.Equal(child, hotmodel.ModelChild.Pid);
    }

    [Fact]
    public async Task A4_stranger_without_a_key_gets_nothing_and_learns_nothing()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(WithKeys());
        using var stranger = new Api(hotmodel.Api.Address);
        using var guesser = new Api(hotmodel.Api.Address, Admin + "x");
        foreach (var api in (Api[])[stranger, guesser])
        {
            foreach (var path in (string[])["admin/state", "admin/metrics", "admin/sessions", "admin/events", "v1/models", "slots", "metrics", "nothing"])
            {
                var reply = await api.RawAsync(HttpMethod.Get, path);
                Assert.Equal(401, reply.Status);
                Assert.Equal("authentication_error", (string?)JsonNode.Parse(reply.Text)!["error"]!["type"]);
            }
            foreach (var path in (string[])["v1/chat/completions", "v1/messages", "v1/embeddings", "completion", "tokenize"])
                Assert.Equal(401, await StatusAsync(api, HttpMethod.Post, path, Chat));
            Assert.Equal(401, await StatusAsync(api, HttpMethod.Post, "admin/switch", Switch));
            foreach (var path in (string[])["ADMIN/state", "%61dmin/state", "v1/../admin/state", "health/../admin/state", "health/x", "admin//state",
                $"admin/state?api_key={Admin}", $"v1/models?key={Admin}"])
                Assert.Equal(401, (await api.RawAsync(HttpMethod.Get, path)).Status);
            Assert.Equal(401, (await api.RawAsync(HttpMethod.Post, "health")).Status);
            Assert.Equal("""{"status":"ok"}""", (await api.GetAsync("health")).Text);
        }
        Assert.Equal("a", (string?)(await hotmodel.StateAsync())["active_model"]);
        Assert.DoesNotContain(Admin, hotmodel.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A5_key_opens_its_own_scope_only()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(WithKeys());
        await hotmodel.Api.ChatAsync("hello", session: "secret");
        using var chat = new Api(hotmodel.Api.Address, Inference);
        using var monitor = new Api(hotmodel.Api.Address, Read);
        Assert.Equal(200, (await chat.ChatAsync("hello")).Status);
        Assert.Equal(200, (await chat.GetAsync("v1/models")).Status);
        Assert.Equal(200, await StatusAsync(new Api(hotmodel.Api.Address), HttpMethod.Post, "v1/chat/completions", Chat, ("X-Api-Key", Inference)));
        foreach (var path in (string[])["admin/state", "admin/sessions", "admin/sessions/secret", "slots"])
            Assert.Equal(403, (await chat.RawAsync(HttpMethod.Get, path)).Status);
        Assert.Equal(403, await StatusAsync(chat, HttpMethod.Post, "admin/switch", Switch));
        Assert.Equal(403, await StatusAsync(chat, HttpMethod.Post, "admin/reload", null));
        // It would change the model for everybody.
        Assert.Equal(403, await StatusAsync(chat, HttpMethod.Post, "lora-adapters", "[]"u8.ToArray()));
        Assert.Equal(200, (await monitor.GetAsync("admin/state")).Status);
        Assert.Equal(200, (await monitor.GetAsync("admin/metrics")).Status);
        Assert.NotNull((await monitor.GetAsync("health")).Json["models"]);
        Assert.Equal(403, (await monitor.RawAsync(HttpMethod.Get, "admin/sessions/secret")).Status);
        Assert.Equal(403, await StatusAsync(monitor, HttpMethod.Delete, "admin/sessions/secret", null));
        Assert.Equal(403, await StatusAsync(monitor, HttpMethod.Post, "v1/chat/completions", Chat));
        Assert.Equal(200, (await hotmodel.Api.GetAsync("admin/sessions/secret")).Status);
    }

    [Fact]
    public async Task A6_background_key_never_makes_a_model_leave_that_others_use()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(WithKeys("background_requests = \"refuse\""));
        using var night = new Api(hotmodel.Api.Address, Background);
        var body = Chats.Request("hello");
        body["model"] = "b";
        var refused = await night.PostAsync("v1/chat/completions", body);
        Assert.Equal((503, "background_refused"), (refused.Status, (string?)refused.Json["error"]!["code"]));
        body["model"] = "a";
        Assert.Equal(200, (await night.PostAsync("v1/chat/completions", body)).Status);
    }

    [Fact]
    public async Task A7_llama_server_itself_is_closed_to_others()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup());
        using var router = hotmodel.OpenRouter();
        using var model = await hotmodel.OpenModelAsync();
        foreach (var address in (Uri[])[router.Address, model.Address])
        {
            using var stranger = new Api(address);
            Assert.Equal(401, await StatusAsync(stranger, HttpMethod.Post, "v1/chat/completions", Chat));
            Assert.Equal(401, (await stranger.RawAsync(HttpMethod.Get, "slots?model=a")).Status);
        }
    }

    [Fact]
    public async Task A10_admin_routes_have_a_port_of_their_own_on_loopback()
    {
        var port = Ports.Next();
        await using var hotmodel = await HotModelProcess.StartWithoutModelAsync(new Setup { Server = $"admin_port = {port}" });
        using var admin = new Api(new Uri($"http://127.0.0.1:{port}/"));

        // A chat waits for the model, whatever it asks.
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello")).Status);
        foreach (var path in (string[])["admin/state", "ADMIN/state", "%61dmin/state", "v1/../admin/state", "admin//state", "admin"])
            Assert.Equal(404, (await hotmodel.Api.GetAsync(path)).Status);
        Assert.Equal(404, (await hotmodel.Api.RawAsync(HttpMethod.Post, "admin/switch", Switch, "application/json")).Status);
        Assert.Equal("a", (string?)(await admin.GetAsync("admin/state")).Json["active_model"]);
        Assert.Equal(404, (await admin.RawAsync(HttpMethod.Post, "v1/chat/completions", Chat, "application/json")).Status);
        Assert.Equal(200, (await admin.GetAsync("health")).Status);
        var switched = await hotmodel.CommandAsync("switch", "b");
        Assert.Equal((0, "b"), (switched.ExitCode, (string?)(await admin.GetAsync("admin/state")).Json["active_model"]));
    }

    [Fact]
    public async Task A11_open_to_other_machines_only_with_keys_or_by_a_word()
    {
        var setup = new Setup { Server = "host = \"0.0.0.0\"" };
        setup.Write();
        var refused = await CommandLine.RunAsync("serve", "--config", setup.ConfigPath);
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("set [keys.NAME], or allow_without_keys = true", refused.Error, StringComparison.Ordinal);
        await using var hotmodel = await HotModelProcess.StartAsync(WithKeys("host = \"0.0.0.0\""));
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello")).Status);
    }

    [Fact]
    public async Task Pages_of_configured_origins_are_let_in()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(WithKeys("cors_origins = [\"https://chat.example\"]"));
        var asked = await hotmodel.Api.RawAsync(HttpMethod.Options, "v1/chat/completions", edit: request =>
        {
            Header(("Origin", "https://chat.example"))(request);
            Header(("Access-Control-Request-Method", "POST"))(request);
            Header(("Access-Control-Request-Headers", "authorization,content-type"))(request);
            request.Headers.Authorization = null;
        });
        Assert.Equal(204, asked.Status);
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(hotmodel.Api.Address, "v1/chat/completions"))
        {
            Content = new ByteArrayContent(Chat) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
            Headers = { { "Origin", "https://chat.example" }, { "Sec-Fetch-Site", "cross-site" }, { "Authorization", $"Bearer {Inference}" } },
        };
        using var reply = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, reply.StatusCode);
        Assert.Equal("https://chat.example", Assert.Single(reply.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Equal(403, await StatusAsync(hotmodel.Api, HttpMethod.Post, "v1/chat/completions", Chat, ("Origin", "https://other.example")));
        Assert.Equal(405, await StatusAsync(hotmodel.Api, HttpMethod.Options, "v1/chat/completions", null, ("Origin", "https://other.example")));
    }

    [Fact]
    public async Task New_key_is_shown_with_its_section_and_commands_take_it_from_the_environment()
    {
        var made = (await CommandLine.RunAsync("new-key")).Out.Split('\n');
        var section = string.Join('\n', made[2..]).Replace("keys.NAME", "keys.me", StringComparison.Ordinal)
            .Replace("\"inference\"", "\"admin\"", StringComparison.Ordinal);
        await using var hotmodel = await HotModelProcess.StartAsync(new Setup { Sections = section, ApiKey = made[0] });
        var without = await hotmodel.CommandAsync("status");
        Assert.Equal(1, without.ExitCode);
        Assert.Contains("HOTMODEL_API_KEY", without.Error, StringComparison.Ordinal);
        var with = await CommandLine.RunAsync([("HOTMODEL_API_KEY", made[0])], "status", "--config", hotmodel.Setup.ConfigPath);
        Assert.Equal((0, ""), (with.ExitCode, with.Error));
    }

    private static string Key(string name, string key, string scopes, string more = "")
    {
        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key)));
        return $"[keys.{name}]\nsha256 = \"{hash}\"\nscopes = [{scopes}]\n{more}\n";
    }

    private static byte[] Bytes(JsonObject body) => System.Text.Encoding.UTF8.GetBytes(body.ToJsonString());

    private static Action<HttpRequestMessage> Header(params (string Name, string Value)[] headers) => request =>
    {
        foreach (var (name, value) in headers)
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
    };

    private static async Task<int> StatusAsync(
        Api api, HttpMethod method, string path, byte[]? body, params (string Name, string Value)[] headers) =>
        (await api.RawAsync(method, path, body, edit: Header(headers))).Status;
}
