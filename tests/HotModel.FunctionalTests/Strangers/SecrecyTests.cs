using System.Text;

namespace HotModel.FunctionalTests.Strangers;

/// <summary>A8 and A9 of docs/security.md: what others of this machine read on its disk and in its list of processes.</summary>
public sealed class SecrecyTests
{
    private const string Mark = "nobodys-business";
    private const string Key = "hm-the-key-of-" + Mark;
    private const string KeyOfEnvironment = "hm-of-the-environment-" + Mark;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>Each with the mark somewhere in it. Most are wrong: of those llama-server says what it has read.</summary>
    private static readonly (string Path, string Body)[] Requests =
    [
        ("v1/chat/completions", Chat("")),
        ("v1/chat/completions", Chat(", \"stream\": true")),
        ("v1/chat/completions", Chat("")[..^4]),
        ("v1/chat/completions", Chat($", \"grammar\": \"root ::= {Mark}\"")),
        ("v1/chat/completions", Chat($", \"response_format\": {{\"type\": \"json_schema\", \"json_schema\": {{\"schema\": {{\"type\": \"{Mark}\"}}}}}}")),
        ("v1/chat/completions", Chat($", \"model\": \"{Mark}\"")),
        ("v1/chat/completions", Chat($", \"session_id\": \"{Mark}/\"")),
        ("v1/chat/completions", Chat($", \"tools\": [{{\"type\": \"function\", \"function\": {{\"name\": \"f\", \"parameters\": {{\"type\": \"object\", "
            + $"\"properties\": {{\"a\": {{\"type\": \"string\", \"pattern\": \"^({Mark}$\"}}}}}}}}}}]")),
        ("v1/chat/completions", $"{{\"messages\": [{{\"role\": \"{Mark}\", \"content\": [{{\"type\": \"{Mark}\"}}]}}], \"max_tokens\": 1}}"),
        ("completion", $"{{\"prompt\": \"{Mark} and so on"),
        ("completion", $"{{\"prompt\": \"{Mark}\t\"}}"),
        ("completion", $"{{\"prompt\": \"a\", \"n_predict\": 1, \"grammar\": \"root ::= \\\"a\\\"\\n{Mark} ::= (\\n\\n# {Mark}\\nE failed to parse: {Mark}\"}}"),
        ("completion", $"{{\"prompt\": \"{Mark}\", \"n_predict\": \"{Mark}\"}}"),
        ("completion", $"{{\"prompt\": \"a\", \"n_predict\": 1, \"lora\": [{{\"id\": \"{Mark}\"}}], \"samplers\": [\"{Mark}\"]}}"),
        ("v1/messages", $"{{\"max_tokens\": 1, \"system\": \"{Mark}\", \"messages\": [{{\"role\": \"user\", \"content\": \"{Mark}\"}}]}}"),
        ("v1/responses", $"{{\"max_output_tokens\": 1, \"input\": [{{\"role\": \"user\", \"content\": [{{\"type\": \"{Mark}\"}}]}}]}}"),
        ("tokenize", $"{{\"content\": \"{Mark}\"}}"),
        ("infill", $"{{\"input_prefix\": \"{Mark}\", \"input_suffix\": \"x\", \"n_predict\": 1}}"),
        ("nothing", $"{{\"{Mark}\": 1}}"),
    ];

    [Theory]
    [InlineData("plain")]
    [InlineData("json")]
    public async Task A9_prompts_and_keys_are_in_no_log_and_on_no_command_line(string format)
    {
        var setup = NewSetup($"log_format = \"{format}\"\nlog_file = \"logs/hotmodel.log\"");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        foreach (var (path, body) in Requests)
            await hotmodel.Api.PostTextAsync(path, body);
        await AsStrangerAsync(hotmodel);
        // A lost model has its last lines told.
        ProcessTree.Send(hotmodel.ModelChild.Pid, Signal.Kill);
        await Until.True(async () => (await hotmodel.Api.ChatAsync("again")).Status == 200, Limit, "it is loaded again");

        var llamaLog = Path.Combine(setup.DatabaseFolder, "llama-server.log");
        // Lines come behind the requests that they are of: those of the second load are there.
        await Until.True(() => Count(llamaLog, "spawning server instance with name") >= 2, Limit, "llama-server's log is written");
        Assert.Contains("left out: it may quote a request", await File.ReadAllTextAsync(llamaLog), StringComparison.Ordinal);
        Assert.Contains("failed to parse grammar", await File.ReadAllTextAsync(llamaLog), StringComparison.Ordinal);
        var ours = ProcessTree.EnvironmentVariable(hotmodel.Server.Pid, "LLAMA_API_KEY")!;
        Assert.InRange(ours.Length, 61, 200);
        foreach (var secret in (string[])[Mark, ours])
        {
            Assert.DoesNotContain(secret, hotmodel.Log, StringComparison.Ordinal);
            foreach (var file in Directory.EnumerateFiles(setup.Folder, "*.log*", SearchOption.AllDirectories))
                Assert.False(Count(file, secret) > 0, $"{file}: {Line(file, secret)}");
            foreach (var process in ProcessTree.Descendants(hotmodel.Pid))
                Assert.DoesNotContain(secret, await File.ReadAllTextAsync($"/proc/{process.Pid}/cmdline"), StringComparison.Ordinal);
        }
        Assert.DoesNotContain(Mark, (await hotmodel.Api.GetAsync("admin/state")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A8_everything_that_is_written_is_its_owners_alone()
    {
        var setup = NewSetup("log_file = \"logs/hotmodel.log\"");
        await using var hotmodel = await HotModelProcess.StartAsync(setup);
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello", session: "mine")).Status);
        // Its slot is saved.
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
        Assert.NotEmpty(Directory.EnumerateFiles(Path.Combine(setup.DatabaseFolder, "snapshots")));
        foreach (var folder in Directory.EnumerateDirectories(setup.DatabaseFolder, "*", SearchOption.AllDirectories).Append(setup.DatabaseFolder))
            Assert.Equal((folder, "700"), (folder, Mode(folder)));
        foreach (var file in Directory.EnumerateFiles(setup.DatabaseFolder, "*", SearchOption.AllDirectories)
            .Append(Path.Combine(setup.Folder, "logs", "hotmodel.log")))
            Assert.Equal((file, "600"), (file, Mode(file)));
    }

    /// <summary>What strangers bring, too: a key may be one letter wrong.</summary>
    private static async Task AsStrangerAsync(HotModelProcess hotmodel)
    {
        using var stranger = new Api(hotmodel.Api.Address, Key + "x");
        Assert.Equal(401, (await stranger.PostTextAsync("v1/chat/completions", Chat(""))).Status);
        using var nobody = new Api(hotmodel.Api.Address);
        foreach (var query in (string[])["api_key", "key", "access_token", "token"])
            Assert.Equal(401, (await nobody.GetAsync($"v1/models?{query}={Key}")).Status);
        foreach (var scheme in (string[])["Basic ", "Bearer", "Token ", ""])
            Assert.Equal(401, (await nobody.RawAsync(HttpMethod.Get, "v1/models", edit: request =>
                request.Headers.TryAddWithoutValidation("Authorization", scheme + Key))).Status);
        using var other = new Api(hotmodel.Api.Address, KeyOfEnvironment);
        Assert.Equal(200, (await other.GetAsync("v1/models")).Status);
    }

    private static Setup NewSetup(string server) => new()
    {
        Server = server,
        Snapshots = "min_tokens = 1",
        ApiKey = Key,
        Environment = new Dictionary<string, string> { ["KEY_OF_A_TEST"] = KeyOfEnvironment },
        Sections = $"""
            [keys.owner]
            sha256 = "{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(Key)))}"
            scopes = ["admin"]

            [keys.other]
            env = "KEY_OF_A_TEST"
            scopes = ["inference"]

            """,
    };

    private static string Chat(string more) =>
        $"{{\"messages\": [{{\"role\": \"user\", \"content\": \"{Mark}\"}}], \"max_tokens\": 1{more}}}";

    private static int Count(string file, string text) => File.ReadLines(file).Count(line => line.Contains(text, StringComparison.Ordinal));

    private static string? Line(string file, string text) =>
        File.ReadLines(file).FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal));

    private static string Mode(string path) =>
        OperatingSystem.IsWindows() ? "" : Convert.ToString((int)File.GetUnixFileMode(path), 8);
}
