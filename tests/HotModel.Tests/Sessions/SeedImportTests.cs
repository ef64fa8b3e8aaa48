using HotModel.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Sessions;

public sealed class SeedImportTests : IDisposable
{
    private readonly StateFolder folder = new();
    private readonly SessionStore store;
    private readonly string statePath;

    public SeedImportTests()
    {
        store = folder.Open();
        statePath = Path.Combine(folder.Path, "state.json");
    }

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    private void Import(string? json = null)
    {
        if (json is not null)
            File.WriteAllText(statePath, json);
        SeedImport.Run(store, statePath, folder.Time, NullLogger.Instance);
        if (json is not null)
            Assert.Equal(json, File.ReadAllText(statePath));
    }

    private const string Messages =
        """[{"role":"system","content":"s"},{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]""";

    [Theory]
    [InlineData("""{"active_model":"big","sessions":{"one":{"messages":MESSAGES}}}""")]
    [InlineData("""{"active_model":"big","sessions":{"one":MESSAGES}}""")]
    [InlineData("""{"active_model":"big","sessions":[{"session_id":"one","messages":MESSAGES}]}""")]
    public void Run_known_shapes_are_imported(string shape)
    {
        Import(shape.Replace("MESSAGES", Messages));
        Assert.Equal(
            ["""{"role":"user","content":"hi"}""", """{"role":"assistant","content":"hello"}"""],
            StateFolder.StoredIn(store, "one"));
        Assert.Single(store.Find("one")!.ClientSystem);
        Assert.Equal("big", store.LastActiveModel);
    }

    [Fact]
    public async Task Run_imported_session_is_recognised_when_resent()
    {
        Import("""{"sessions":{"one":MESSAGES}}""".Replace("MESSAGES", Messages));
        using var turn = await new Conversations(store, folder.Time).BeginAsync(
            null, [StateFolder.User("hi"), StateFolder.Assistant("hello"), StateFolder.User("more")],
            TimeSpan.Zero, default);
        Assert.Equal("one", turn!.SessionId);
    }

    [Fact]
    public void Run_second_start_does_not_import_again()
    {
        Import("""{"sessions":{"one":MESSAGES}}""".Replace("MESSAGES", Messages));
        store.Delete("one");
        Import();
        Assert.Null(store.Find("one"));
    }

    [Fact]
    public void Run_unknown_parts_are_skipped_and_the_rest_is_imported()
    {
        Import("""
            {"active_model":7,"version":3,"sessions":{"a":5,"b":{"messages":[{"content":"no role"}]},"c":[],
            "my chat/1":MESSAGES,"good":MESSAGES}}
            """.Replace("MESSAGES", Messages));
        var sessions = store.List(10, 0).Sessions;
        Assert.Equal(2, sessions.Count);
        Assert.Contains(sessions, session => session.Id == "good");
        Assert.Null(store.LastActiveModel);
    }

    [Fact]
    public void Run_existing_session_and_model_are_kept()
    {
        store.LastActiveModel = "mine";
        Import("""{"active_model":"big","sessions":{"one":[{"role":"user","content":"a"}]}}""");
        store.SetSetting("seed_imported", null);
        Import("""{"active_model":"big","sessions":{"one":[{"role":"user","content":"b"}]}}""");
        Assert.Equal("mine", store.LastActiveModel);
        Assert.Equal(["""{"role":"user","content":"a"}"""], StateFolder.StoredIn(store, "one"));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("")]
    public void Run_broken_file_is_tried_again_at_the_next_start(string broken)
    {
        Import(broken);
        Import("""{"sessions":{"one":MESSAGES}}""".Replace("MESSAGES", Messages));
        Assert.NotNull(store.Find("one"));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"sessions":"x"}""")]
    public void Run_file_without_sessions_imports_nothing(string json)
    {
        Import(json);
        Assert.Equal(0, store.List(10, 0).Total);
    }

    [Fact]
    public void Run_no_file_is_no_error() => Import();
}
