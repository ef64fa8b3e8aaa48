namespace HotModel.FunctionalTests.Harness;

/// <summary>One hotmodel for the tests of a class, which follow one another and each say which model they need.</summary>
public sealed class SharedHotModel : IAsyncLifetime
{
    private HotModelProcess? process;
    private JavaScript? script;

    internal HotModelProcess Process => process!;

    public async ValueTask InitializeAsync()
    {
        var setup = new Setup { Preset = "system_prompt = \"You are terse.\"" }
            .Tiny("a").Tiny("b").Tiny("caller").Tiny("slow")
            .Tiny("embedder", lines: "extra_args = [\"--embeddings\"]")
            // It says words for ever, and not every library lets one ask for fewer.
            .Tiny("listener", "a", $"extra_args = [\"--mmproj\", \"{TinyModels.File("hearing")}\", \"--predict\", \"8\"]")
            .Tiny("decider");
        process = await HotModelProcess.StartAsync(setup);
    }

    public async ValueTask DisposeAsync()
    {
        if (script is not null)
            await script.DisposeAsync();
        if (process is not null)
            await process.DisposeAsync();
    }

    /// <summary>Makes that model the active one, if another is.</summary>
    internal async Task<HotModelProcess> WithAsync(string model)
    {
        var reply = await Process.Api.SwitchAsync(model);
        Assert.Equal(model, (string?)reply.Json["active_model"]);
        return Process;
    }

    /// <summary>Runs a check of tests/sdk-js; all of a class are of one library.</summary>
    internal async Task CheckAsync(string sdk, string check, string model)
    {
        await WithAsync(model);
        script ??= JavaScript.Start(sdk, Process.Api.Address);
        await script.CheckAsync(check);
    }
}
