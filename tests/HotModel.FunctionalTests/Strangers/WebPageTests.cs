using System.Text.RegularExpressions;

namespace HotModel.FunctionalTests.Strangers;

/// <summary>A1 to A3 of docs/security.md for every route that there is, as docs/routes.md and README list them.</summary>
[Collection(StrangersCollection.Name)]
public sealed partial class WebPageTests(StrangersServer server)
{
    private const string Own = "POST /admin/switch POST /admin/reload DELETE /admin/sessions/mine "
        + "POST /models/load POST /models/unload POST /models DELETE /models DELETE /v1/models/a POST /slots/0 "
        + "DELETE /v1/stream/x POST /v1/streams/lookup POST /nothing PUT /nothing PATCH /admin/switch";

    /// <summary>What a page can send without asking first.</summary>
    private static readonly string[] SimpleTypes = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"];

    private static readonly (string Method, string Path)[] Routes =
        [.. Listed(File.ReadAllText(Path.Combine(Programs.RepositoryRoot, "docs", "routes.md"))), .. Listed(Own)];

    private static IEnumerable<(string, string)> Changing => Routes.Where(route => route.Method is not "GET");

    [Fact]
    public async Task A1_no_page_changes_anything_on_any_route()
    {
        Assert.InRange(Changing.Count(), 40, 100);
        foreach (var (method, path) in Changing)
        {
            foreach (var header in (string[])[
                "Origin: https://evil.example", "Origin: null", "Origin: http://localhost:3000", "Origin: https://localhost",
                "Origin: http://localhost.evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"])
            {
                Assert.True(await server.StatusAsync(method, path, headers: header + "\r\n", body: """{"model": "b"}""") == 403,
                    $"{method} {path} with {header}");
            }
        }
        await server.NothingHappenedAsync();
    }

    [Fact]
    public async Task A1_no_body_that_a_form_can_send_is_taken_on_any_route()
    {
        foreach (var (method, path) in Changing.Where(route => route.Item1 == "POST" && route.Item2 is not "/nothing"))
        {
            foreach (var type in SimpleTypes.Where(type => !path.Contains("audio", StringComparison.Ordinal) || type[0] != 'm'))
            {
                var reply = await server.Process.Api.RawAsync(new HttpMethod(method), path[1..], """{"model": "b"}"""u8.ToArray(), type);
                // A refused route refuses everything.
                Assert.True(reply.Status is 415 or 403, $"{method} {path} with {type}: {reply.Status} {reply.Text}");
            }
        }
        await server.NothingHappenedAsync();
    }

    [Fact]
    public async Task A1_no_page_may_read_and_none_is_told_that_it_may_ask()
    {
        foreach (var (method, path) in Routes)
        {
            var asked = await server.ExchangeAsync(
                $"OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: https://evil.example\r\n"
                + $"Access-Control-Request-Method: {method}\r\n\r\n");
            Assert.DoesNotContain("Access-Control", asked, StringComparison.OrdinalIgnoreCase);
            Assert.InRange(StrangersServer.StatusOf(asked), 400, 499);
        }
    }

    /// <summary>Pages cannot read these, but measure how long and how large they are.</summary>
    [Fact]
    public async Task A1_what_tells_of_conversations_is_not_even_sent_to_a_page()
    {
        foreach (var path in (string[])["/admin/state", "/admin/sessions", "/admin/events", "/slots", "/props", "/metrics"])
        {
            foreach (var header in (string[])["Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"])
                Assert.Equal(403, await server.StatusAsync("GET", path, headers: header + "\r\n"));
        }
        Assert.Equal(200, await server.StatusAsync("GET", "/admin/state", headers: "Sec-Fetch-Site: none\r\n"));
        Assert.Equal(200, await server.StatusAsync("GET", "/admin/state", headers: "Sec-Fetch-Site: same-origin\r\n"));
    }

    [Fact]
    public async Task A2_name_that_was_made_to_point_here_learns_only_that_somebody_is_there()
    {
        foreach (var header in (string[])["Host: evil.example", "Host: localhost\r\nSec-Fetch-Site: cross-site"])
        {
            foreach (var path in (string[])["/health", "/v1/health"])
            {
                var health = await server.ExchangeAsync($"GET {path} HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n");
                Assert.Contains("""{"status":"ok"}""", health, StringComparison.Ordinal);
                Assert.DoesNotContain("active_model", health, StringComparison.Ordinal);
            }
        }
        Assert.Contains("active_model", await server.ExchangeAsync(
            "GET /health HTTP/1.1\r\nHost: gpu-box.lan\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A3_no_get_or_head_on_any_route_changes_anything()
    {
        // That one does not end.
        foreach (var path in Routes.Select(route => route.Path).Where(path => path != "/admin/events").Distinct())
        {
            foreach (var method in (string[])["GET", "HEAD"])
                await server.StatusAsync(method, path + "?model=b&action=erase&autoload=true&force=true");
        }
        await server.NothingHappenedAsync();
    }

    /// <summary>"`POST /path`" of a table, with the paths in the next column, or "POST /path" of a text.</summary>
    private static IEnumerable<(string Method, string Path)> Listed(string text)
    {
        foreach (Match row in Route().Matches(text))
        {
            var method = row.Groups["method"].Value;
            yield return (method, row.Groups["path"].Value);
            foreach (Match alias in Alias().Matches(row.Groups["aliases"].Value))
                yield return (method, alias.Groups["path"].Value);
        }
    }

    [GeneratedRegex(@"(?<method>GET|POST|PUT|PATCH|DELETE) (?<path>/[\w/-]+)(?![\w/{-])(` \|(?<aliases>[^|\n]*)\|)?")]
    private static partial Regex Route();

    [GeneratedRegex("`(?<path>/[^`]+)`")]
    private static partial Regex Alias();
}

/// <summary>A3 where no model is loaded.</summary>
public sealed class LookTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A3_no_get_loads_a_model_that_was_unloaded()
    {
        await using var hotmodel = await HotModelProcess.StartAsync(
            new Setup { FakeFaults = "" }.Tiny("a", lines: "idle_unload_seconds = 0.5").Tiny("b"));
        await Until.True(async () => (await hotmodel.StateAsync())["loaded"]!.AsArray().Count == 0, Limit, "it is unloaded");
        foreach (var path in (string[])["slots", "props", "metrics", "lora-adapters", "v1/models/a", "v1/models", "health", "admin/sessions", "props?model=a"])
            await hotmodel.Api.RawAsync(HttpMethod.Get, path);
        Assert.Empty((await hotmodel.StateAsync())["loaded"]!.AsArray());
        Assert.Equal(200, (await hotmodel.Api.ChatAsync("hello")).Status);
    }
}
