using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.Strangers;

/// <summary>A19 of docs/security.md: others read what goes over the network, or answer in HotModel's place.</summary>
public sealed class TlsTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private static async Task<(HotModelProcess HotModel, Certificates Certificates, Setup Setup)> StartAsync(bool isRsa = false)
    {
        var certificates = new Certificates();
        certificates.Write(isRsa: isRsa).Dispose();
        var setup = new Setup { Server = certificates.Toml };
        return (await HotModelProcess.StartAsync(setup), certificates, setup);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A19_answers_and_streams_go_over_tls_to_who_trusts_the_root(bool isRsa)
    {
        var (hotmodel, certificates, setup) = await StartAsync(isRsa);
        await using var stopped = hotmodel;
        using var disposed = certificates;
        using var client = certificates.NewClient(setup.Port);

        using var models = await client.GetAsync("v1/models");
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version11), (models.StatusCode, models.Version));
        var body = Chats.Request("hello", maxTokens: 64);
        body["stream"] = true;
        using var stream = await client.PostAsync("v1/chat/completions", Json(body.ToJsonString()));
        var events = await stream.Content.ReadAsStringAsync();
        Assert.EndsWith("data: [DONE]\n\n", events, StringComparison.Ordinal);
        // Bodies of many records, both ways.
        var text = string.Concat(Enumerable.Range(0, 20_000).Select(i => $"{i} "));
        using var tokens = await client.PostAsync("tokenize", Json(new JsonObject { ["content"] = text }.ToJsonString()));
        var ids = JsonNode.Parse(await tokens.Content.ReadAsStringAsync())!["tokens"]!;
        using var back = await client.PostAsync("detokenize", Json(new JsonObject { ["tokens"] = ids.DeepClone() }.ToJsonString()));
        Assert.Contains("19999", await back.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    /// <summary>Scanners, and every browser that does not know the root.</summary>
    [Fact]
    public async Task A19_handshakes_that_fail_leave_no_memory_behind()
    {
        var (hotmodel, certificates, setup) = await StartAsync();
        await using var stopped = hotmodel;
        using var disposed = certificates;
        // What the process takes for connections as such has been taken.
        await FailAsync(500);
        var before = ProcessTree.ResidentBytes(hotmodel.Pid);
        await FailAsync(2500);
        Assert.InRange(ProcessTree.ResidentBytes(hotmodel.Pid) - before, long.MinValue, 20 << 20);

        async Task FailAsync(int times)
        {
            for (var i = 0; i < times; i++)
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, setup.Port);
                await client.GetStream().WriteAsync(new byte[] { 22, 3, 1, 0, 5, 1, 0, 0, 1, 0 });
                while (await client.GetStream().ReadAsync(new byte[100]) > 0)
                {
                }
            }
        }
    }

    [Fact]
    public async Task A19_many_clients_at_once_each_get_their_own()
    {
        var (hotmodel, certificates, setup) = await StartAsync();
        await using var stopped = hotmodel;
        using var disposed = certificates;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            using var client = certificates.NewClient(setup.Port);
            for (var n = 0; n < 10; n++)
            {
                var sent = $"client {i} request {n}";
                using var made = await client.PostAsync("apply-template", Json(
                    new JsonObject { ["messages"] = new JsonArray(Chats.Message("user", sent)) }.ToJsonString()));
                Assert.Contains(sent, await made.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            }
        }));
    }

    [Fact]
    public async Task A19_page_of_the_same_origin_is_one_of_https()
    {
        var (hotmodel, certificates, setup) = await StartAsync();
        await using var stopped = hotmodel;
        using var disposed = certificates;
        using var client = certificates.NewClient(setup.Port);
        foreach (var (scheme, status) in ((string, int)[])[("https", 200), ("http", 403)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "tokenize") { Content = Json("""{"content": "x"}""") };
            request.Headers.Add("Origin", $"{scheme}://localhost:{setup.Port}");
            using var reply = await client.SendAsync(request);
            Assert.Equal(status, (int)reply.StatusCode);
        }
    }

    /// <summary>What goes over loopback goes over no network, and a certificate is made for another name.</summary>
    [Fact]
    public async Task A19_this_machine_may_speak_plain_http_and_so_do_the_commands()
    {
        var (hotmodel, certificates, _) = await StartAsync();
        await using var stopped = hotmodel;
        using var disposed = certificates;
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello")).Status);
        Assert.Equal(0, (await hotmodel.CommandAsync("status")).ExitCode);
        Assert.Equal(0, (await hotmodel.CommandAsync("switch", "b")).ExitCode);
        Assert.Contains($"listens on https://127.0.0.1:{hotmodel.Setup.Port}/v1", hotmodel.Log, StringComparison.Ordinal);
    }

    /// <summary>TLS 1.1, garbage, half a handshake: none of them stays, and nobody else notices.</summary>
    [Fact]
    public async Task A19_what_is_no_tls_of_today_is_ended()
    {
        var (hotmodel, certificates, setup) = await StartAsync();
        await using var stopped = hotmodel;
        using var disposed = certificates;
        byte[] hello = [0x03, 0x02, .. new byte[32], 0, 0, 4, 0xc0, 0x13, 0xc0, 0x09, 1, 0];
        byte[] old = [22, 3, 1, 0, (byte)(hello.Length + 4), 1, 0, 0, (byte)hello.Length, .. hello];
        using (var client = await RawClient.ConnectAsync(setup.Port))
        {
            await client.SendAsync(old);
            // Alert 70, protocol_version.
            Assert.Equal([21, 3, 2, 0, 2, 2, 70], await client.ReadToEndAsync().WaitAsync(Limit));
        }
        using (var client = await RawClient.ConnectAsync(setup.Port))
        {
            await client.SendAsync([22, .. Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\n\r\n")]);
            await client.ReadToEndAsync().WaitAsync(Limit);
        }
        using var half = await RawClient.ConnectAsync(setup.Port);
        await half.SendAsync(old[..7]);
        using var others = certificates.NewClient(setup.Port);
        using var models = await others.GetAsync("v1/models");
        Assert.Equal(HttpStatusCode.OK, models.StatusCode);
        Assert.True(await half.IsClosedAsync().WaitAsync(Limit));
        Assert.DoesNotContain("ERR", hotmodel.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A19_renewed_certificate_is_taken_by_a_reload_and_a_bad_one_is_not()
    {
        var (hotmodel, certificates, setup) = await StartAsync();
        await using var stopped = hotmodel;
        using var disposed = certificates;
        var seen = "";
        using var client = certificates.NewClient(setup.Port, thumbprint => seen = thumbprint);
        using var running = await client.SendAsync(new HttpRequestMessage(HttpMethod.Get, "admin/events"), HttpCompletionOption.ResponseHeadersRead);
        using var events = new StreamReader(await running.Content.ReadAsStreamAsync());
        Assert.Equal("event: phase", await events.ReadLineAsync());

        using var next = certificates.Write();
        var reloaded = await hotmodel.CommandAsync("reload");
        Assert.True(reloaded.ExitCode == 0, reloaded.Error);
        Assert.Contains("server.tls_certificate", reloaded.Out, StringComparison.Ordinal);
        (await client.GetAsync("v1/models")).Dispose();
        Assert.Equal(next.Thumbprint, seen);

        certificates.Write(fromDays: -5, toDays: -2).Dispose();
        var refused = await hotmodel.CommandAsync("reload");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("has ended on", refused.Error, StringComparison.Ordinal);
        (await client.GetAsync("v1/models")).Dispose();
        Assert.Equal(next.Thumbprint, seen);
        // The connection that was there has its own to the end.
        Assert.Equal(200, (await hotmodel.Api.SwitchAsync("b")).Status);
        while (await events.ReadLineAsync() is { } line && line != "event: switch")
        {
        }
    }

    public static TheoryData<string, string> Broken => new()
    {
        { "no certificate", "tls_certificate: there is no file" },
        { "no key", "tls_key: there is no file" },
        { "a folder", "tls_key: " },
        { "no PEM", "has no certificate in PEM" },
        { "no PEM in the key", "has no private key in PEM without a passphrase" },
        { "a passphrase", "has no private key in PEM without a passphrase" },
        { "another key", "is not the key of the first certificate" },
        { "another kind of key", "is not the key of the first certificate" },
        { "the intermediate first", "is not the key of the first certificate" },
        { "it has ended", "has ended on" },
        { "it has not begun", "only" },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task Start_and_check_say_what_is_wrong_with_the_files(string what, string says)
    {
        using var certificates = new Certificates();
        using var own = certificates.Write();
        Break(certificates, own, what);
        var setup = new Setup { Server = certificates.Toml };
        setup.Write();
        var started = await CommandLine.RunAsync("serve", "--config", setup.ConfigPath);
        Assert.True(started.ExitCode == 2 && started.Error.StartsWith("hotmodel cannot start: tls_", StringComparison.Ordinal), started.Error);
        Assert.Contains(says, started.Error, StringComparison.Ordinal);
        var check = await CommandLine.RunAsync("check", "--config", setup.ConfigPath);
        Assert.Equal(2, check.ExitCode);
        Assert.Contains(says, check.Error, StringComparison.Ordinal);
        Directory.Delete(setup.Folder, recursive: true);
    }

    private static void Break(Certificates files, System.Security.Cryptography.X509Certificates.X509Certificate2 own, string what)
    {
        switch (what)
        {
            case "no certificate":
                File.Delete(files.CertificatePath);
                break;
            case "no key":
                File.Delete(files.KeyPath);
                break;
            case "a folder":
                File.Delete(files.KeyPath);
                Directory.CreateDirectory(files.KeyPath);
                break;
            case "no PEM":
                File.WriteAllText(files.CertificatePath, "hello\n");
                break;
            case "no PEM in the key":
                files.WriteKey("hello");
                break;
            case "a passphrase":
                files.WriteKey(Certificates.KeyOf(own).ExportEncryptedPkcs8PrivateKeyPem("secret",
                    new(System.Security.Cryptography.PbeEncryptionAlgorithm.Aes256Cbc, System.Security.Cryptography.HashAlgorithmName.SHA256, 1000)));
                break;
            case "another key":
                var certificate = File.ReadAllText(files.CertificatePath);
                files.Write().Dispose();
                File.WriteAllText(files.CertificatePath, certificate);
                break;
            case "another kind of key":
                var curve = File.ReadAllText(files.CertificatePath);
                files.Write(isRsa: true).Dispose();
                File.WriteAllText(files.CertificatePath, curve);
                break;
            case "the intermediate first":
                var all = File.ReadAllText(files.CertificatePath).Split("\n\n");
                const string Begin = "-----BEGIN CERTIFICATE-----";
                var two = string.Concat(all).Split(Begin, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
                File.WriteAllText(files.CertificatePath, $"{Begin}\n{two[1]}\n{Begin}\n{two[0]}\n");
                break;
            case "it has ended":
                files.Write(fromDays: -5, toDays: -2).Dispose();
                break;
            case "it has not begun":
                files.Write(fromDays: 2, toDays: 5).Dispose();
                break;
            default:
                throw new ArgumentException(what);
        }
    }

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
}
