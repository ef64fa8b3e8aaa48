using System.Text;

namespace HotModel.FunctionalTests.Harness;

/// <summary>One request to a route of llama-server.</summary>
/// <param name="Path">Path and query.</param>
/// <param name="Body">JSON, or null for a GET. The model is written "@model".</param>
/// <param name="Shows">What the answer must hold, so that two empty ones are not taken for a success.</param>
internal sealed record Example(string Path, string? Body, string Shows)
{
    public HttpMethod Method => Body is null ? HttpMethod.Get : HttpMethod.Post;
    public byte[]? BytesFor(string model) =>
        Body is null ? null : Encoding.UTF8.GetBytes(Body.Replace("@model", model, StringComparison.Ordinal));
}

/// <summary>All tests of this collection share one hotmodel, one after another.</summary>
[CollectionDefinition(Name)]
public sealed class RouteCollection : ICollectionFixture<RouteServer>
{
    public const string Name = "routes";
}

/// <summary>One hotmodel with a model for each kind of route, and the model's own port to compare with.</summary>
public sealed class RouteServer : IAsyncLifetime
{
    private HotModelProcess? process;
    private Api? direct;
    private string model = "coder";

    internal HotModelProcess Process => process!;
    internal Api Through => Process.Api;
    internal Api Direct => direct!;

    public async ValueTask InitializeAsync()
    {
        var setup = new Setup { ActiveModel = model, Router = "parallel = 2" };
        var slots = Directory.CreateDirectory(Path.Combine(setup.Folder, "slots")).FullName;
        var adapter = TinyModels.File("adapter");
        setup.Tiny("coder", lines: Arguments("--props", "--metrics", "--slot-save-path", slots, "--lora", adapter))
            .Tiny("embedder", lines: Arguments("--embeddings"))
            .Tiny("ranker", lines: Arguments("--reranking"))
            .Tiny("listener", "a", Arguments("--mmproj", TinyModels.File("hearing")));
        process = await HotModelProcess.StartAsync(setup);
        direct = await process.OpenModelAsync();
    }

    /// <summary>Makes that model the active one if it is not.</summary>
    internal async Task UseAsync(string name)
    {
        if (model == name)
            return;
        Assert.Equal(200, (await Through.SwitchAsync(name)).Status);
        direct!.Dispose();
        direct = await Process.OpenModelAsync();
        model = name;
    }

    /// <summary>
    /// Sends the example to the model itself and, under another model's name, through hotmodel: both must succeed and be
    /// the same.
    /// </summary>
    internal async Task<RawReply> SameAsync(string name, Example example)
    {
        await UseAsync(name);
        var own = await SameAsync(
            example.Method, example.Path, example.BytesFor(name), example.BytesFor("active"), "application/json");
        Assert.True(own.Status == 200, own.Text);
        Assert.Contains(example.Shows, own.Text);
        return own;
    }

    /// <summary>Both answers must be the same; the model's own.</summary>
    internal Task<RawReply> SameAsync(
        HttpMethod method, string path, byte[]? body, string type = "application/json",
        Action<HttpRequestMessage>? edit = null) => SameAsync(method, path, body, body, type, edit);

    internal async Task<RawReply> SameAsync(
        HttpMethod method, string path, byte[]? directBody, byte[]? throughBody, string type,
        Action<HttpRequestMessage>? edit = null)
    {
        // Once before, so that both find the same in the cache: that shows in counts, and may show in a number's last bit.
        await Direct.RawAsync(method, path, directBody, type, edit);
        var own = await Direct.RawAsync(method, path, directBody, type, edit);
        var through = await Through.RawAsync(method, path, throughBody, type, edit);
        Assert.Equal((own.Status, own.ContentType), (through.Status, through.ContentType));
        Assert.Equal(own.Comparable, WithoutOwnMember(through.Comparable));
        Assert.Equal(model, through.Model);
        return own;
    }

    public async ValueTask DisposeAsync()
    {
        direct?.Dispose();
        if (process is not null)
            await process.DisposeAsync();
    }

    /// <summary>A whole chat answer has one member more, its last.</summary>
    private static string WithoutOwnMember(string text) =>
        text.IndexOf(",\"hotmodel\":", StringComparison.Ordinal) is >= 0 and var start ? text[..start] + "}" : text;

    private static string Arguments(params string[] arguments) =>
        $"extra_args = [{string.Join(", ", arguments.Select(argument => $"\"{argument}\""))}]";
}
