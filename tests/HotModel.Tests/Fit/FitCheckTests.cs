using HotModel.Configuration;
using HotModel.Fit;
using HotModel.Gpu;
using HotModel.Llama;
using HotModel.ReadAhead;
using HotModel.Sessions;
using HotModel.Switching;
using HotModel.Tests.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace HotModel.Tests.Fit;

/// <summary>The gatherer with files and a store that are real, and devices that are not.</summary>
public sealed class FitCheckTests : IDisposable
{
    private const long Mebibyte = 1L << 20;
    private const int OurPid = 100;

    private readonly StateFolder folder = new();
    private readonly SessionStore store;
    private HotModelConfig config;
    private readonly ModelFacts facts;
    private readonly FootprintLedger ledger;
    private readonly FitCheck check;
    private GpuReading reading = new(default, null, null, []);
    private LoadedNow loaded = new("a", false, null, []);
    private long freeCpu = 8L << 30;
    private int readings;

    public FitCheckTests()
    {
        store = folder.Open();
        var plain = TestConfig.Create("a", "b");
        File.WriteAllText(Program("llama-server"), "");
        config = plain with
        {
            Router = plain.Router with { Binary = Program("llama-server") },
            Models = plain.Models.Values.ToDictionary(model => model.Name, model => model with
            {
                Path = Shapes.Of("gemma").Write(Path.Join(folder.Path, model.Name + ".gguf")),
                GpuLayers = 99,
            }),
        };
        facts = new ModelFacts(config, new Dictionary<string, string>());
        ledger = new FootprintLedger(facts, store, NullLogger.Instance);
        check = Check(config, false);
    }

    private string Program(string name) => Path.Join(folder.Path, name);

    private FitCheck Check(HotModelConfig one, bool hasUnreadableGpu) => new(
        one, facts, ledger, store,
        new FitSenses(Read, () => [new MemoryState(freeCpu, freeCpu, 0)], () => loaded, hasUnreadableGpu),
        model => model == "a" ? (TimeSpan.FromSeconds(1), null) : (null, TimeSpan.FromSeconds(2.5)), folder.Time);

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    private GpuReading Read()
    {
        readings++;
        return reading;
    }

    private static GpuReading Gpu(long usedMb, long freeMb = 1000, params GpuProcess[] processes) => new(
        default, usedMb, [usedMb], processes)
    {
        Devices = [new GpuDevice("GPU-0", "RTX", usedMb * Mebibyte, freeMb * Mebibyte)],
    };

    private void Load(string model, long tookMb) => ledger.Note(config.Models[model], new LoadReadings(
        Gpu(0), Gpu(tookMb, 1000, new GpuProcess(0, OurPid, tookMb)), [OurPid], null));

    private PlannedDevice Planned(string model) => Assert.Single(check.Plan(model).Devices);

    [Fact]
    public void A_load_is_remembered_and_overrides_the_estimate()
    {
        reading = Gpu(0);
        Assert.Equal("estimate", Planned("b").Source);

        Load("b", 700);

        Assert.Equal(("ledger", 700), (Planned("b").Source, Planned("b").NeededMb));
        Load("b", 650);
        Assert.Equal(650, Planned("b").NeededMb);
    }

    [Fact]
    public void A_model_that_was_written_anew_or_has_other_arguments_is_another()
    {
        reading = Gpu(0);
        Load("b", 700);

        var other = config.Models["b"] with { CtxSize = 512 };
        Assert.Null(ledger.Find(facts.Of(other), reading.Devices));
        File.SetLastWriteTimeUtc(config.Models["b"].Path, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.Equal("estimate", Planned("b").Source);
    }

    [Fact]
    public void A_load_that_ran_out_of_memory_is_forgotten()
    {
        reading = Gpu(0);
        Load("b", 700);

        ledger.Note(config.Models["b"], new LoadReadings(
            Gpu(0), Gpu(0), [], new LoadFailure(LoadFailureReason.OutOfMemory, "", [])));

        Assert.Equal("estimate", Planned("b").Source);
    }

    [Fact]
    public void A_load_that_failed_otherwise_changes_nothing()
    {
        reading = Gpu(0);
        Load("b", 700);

        ledger.Note(config.Models["b"], new LoadReadings(
            Gpu(0), Gpu(0), [], new LoadFailure(LoadFailureReason.Exited, "", [])));

        Assert.Equal("ledger", Planned("b").Source);
    }

    [Fact]
    public void What_a_process_takes_is_learnt_from_models_that_were_loaded()
    {
        reading = Gpu(0);
        var before = Planned("b").NeededMb;
        // Both have the same shape, so all beyond the estimate is the process's.
        Load("a", 200);

        Assert.NotEqual(200, before);
        Assert.InRange(Planned("b").NeededMb!.Value, 199, 200);
    }

    [Fact]
    public void A_build_that_takes_no_memory_of_the_gpu_is_one_without()
    {
        Load("a", 0);
        reading = Gpu(0, freeMb: 0);

        Assert.Equal((DeviceFit.CpuId, true), (Planned("b").Device, Planned("b").Fits));
    }

    [Fact]
    public void What_the_loaded_model_gives_back_comes_from_its_processes_else_the_ledger_else_an_estimate()
    {
        reading = Gpu(600);
        Assert.Equal(("estimate", true), (Planned("b").FreedSource, Planned("b").FreedMb > 0));

        Load("a", 500);
        Assert.Equal(("ledger", 500), (Planned("b").FreedSource, Planned("b").FreedMb));

        reading = Gpu(600, 1000, new GpuProcess(0, OurPid, 550));
        loaded = loaded with { Pids = [OurPid] };
        Assert.Equal(("processes", 550), (Planned("b").FreedSource, Planned("b").FreedMb));
    }

    [Fact]
    public void Nothing_gives_nothing_back()
    {
        reading = Gpu(600);
        loaded = new LoadedNow(null, false, null, []);

        Assert.Equal((null, 0), (Planned("b").FreedSource, Planned("b").FreedMb));
        Assert.Empty(check.Plan("b").Unloads);
    }

    [Fact]
    public void While_a_model_is_on_its_way_nothing_is_refused()
    {
        Load("a", 500);
        reading = Gpu(600, freeMb: 10);
        Assert.False(check.Judge("b").Fits);

        loaded = new LoadedNow(null, true, "a", []);

        Assert.Null(check.Judge("b").Fits);
    }

    [Fact]
    public void The_active_model_fits_without_a_look()
    {
        reading = Gpu(600, freeMb: 0);

        var plan = check.Plan("a");

        Assert.Equal((true, true), (plan.AlreadyActive, plan.Fits));
        Assert.Equal(new PlannedSeconds(0, 0, 0), plan.Seconds);
        Assert.Empty(plan.Devices);
        Assert.Empty(plan.Unloads);
    }

    [Fact]
    public void A_plan_tells_what_is_unloaded_how_long_it_takes_and_what_is_warm()
    {
        var plan = check.Plan("b");

        Assert.Equal(("b", "a", false, true), (plan.Model, plan.ActiveModel, plan.AlreadyActive, plan.Fits));
        Assert.Equal(["a"], plan.Unloads);
        Assert.Equal(new PlannedSeconds(1, 2.5, 3.5), plan.Seconds);
        Assert.Equal(8192, plan.CtxSize);
        Assert.Null(plan.Warm.Snapshot);
        if (OperatingSystem.IsLinux())
            Assert.InRange(plan.Warm.PageCache!.Value, 0, 1);
    }

    [Fact]
    public void On_the_cpu_a_context_beyond_all_memory_is_refused()
    {
        freeCpu = DeviceFit.MarginBytes + Mebibyte;
        loaded = new LoadedNow(null, false, null, []);

        var verdict = check.Judge("b");

        Assert.False(verdict.Fits);
        Assert.Contains("CPU has 257 MiB free", verdict.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_is_judged_by_the_model_that_makes_room_for_it_and_a_switch_by_the_active_one()
    {
        config = config with
        {
            Server = config.Server with { SwitchPolicy = SwitchPolicy.Auto },
            Models = new Dictionary<string, ModelConfig>(config.Models) { ["c"] = config.Models["a"] with { Name = "c" } },
        };
        const int otherPid = 101;
        var three = Check(config, false);
        Load("b", 700);
        loaded = new LoadedNow("a", false, null, [OurPid]) { Others = ["c"], Yields = ("c", [otherPid]) };

        reading = Gpu(1000, freeMb: 100, new GpuProcess(0, OurPid, 100), new GpuProcess(0, otherPid, 900));
        Assert.True((await three.JudgeAsync("b", default)).Fits);
        Assert.False(three.Judge("b").Fits);

        reading = Gpu(1000, freeMb: 100, new GpuProcess(0, OurPid, 900), new GpuProcess(0, otherPid, 100));
        folder.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.False((await three.JudgeAsync("b", default)).Fits);
        Assert.True(three.Judge("b").Fits);
    }

    [Fact]
    public void Where_a_gpu_may_hold_what_the_machine_cannot_nothing_is_refused()
    {
        freeCpu = 0;
        loaded = new LoadedNow(null, false, null, []);
        Assert.False(Check(config, false).Judge("b").Fits);

        Assert.Contains("a GPU whose memory cannot be read", Check(config, true).Judge("b").Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_program_than_llama_server_is_not_refused()
    {
        freeCpu = 0;
        loaded = new LoadedNow(null, false, null, []);
        var process = config with
        {
            Llama = config.Llama with { BackendMode = BackendMode.Process },
            Models = new Dictionary<string, ModelConfig> { ["b"] = config.Models["b"] with { Port = 1, Binary = "vllm" } },
        };

        Assert.Contains("its program is not llama-server", Check(process, false).Judge("b").Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("GGUF")]
    [InlineData("this is no model at all, but it is long enough to be one")]
    [InlineData(null)]
    public void A_file_that_is_missing_or_no_model_is_refused_until_it_is_one(string? content)
    {
        var path = config.Models["b"].Path;
        var whole = File.ReadAllBytes(path);
        File.Delete(path);
        if (content is not null)
            File.WriteAllText(path, content);

        var plan = check.Plan("b");

        Assert.False(plan.Fits);
        Assert.StartsWith($"The model \"b\" cannot be loaded: {path} ", plan.Reason, StringComparison.Ordinal);
        Assert.Equal(content is not { Length: > 0 }, plan.Warm.PageCache is null);
        File.WriteAllBytes(path, whole);
        Assert.True(check.Judge("b").Fits);
    }

    [Fact]
    public void A_file_that_llama_server_fetches_is_not_refused()
    {
        var fetching = config.Models["b"] with { Path = "/nowhere/m.gguf", ExtraArgs = ["-hf", "someone/something"] };
        Assert.False(facts.Of(fetching).IsNoModel);
        Assert.False(facts.Of(fetching with { ExtraArgs = ["--gpt-oss-20b-default"] }).IsNoModel);
        Assert.True(facts.Of(fetching with { ExtraArgs = ["--spec-default"] }).IsNoModel);
    }

    [Fact]
    public void A_path_that_nobody_is_told_is_not_looked_at()
    {
        var preset = Path.Join(folder.Path, "models.ini");
        File.WriteAllText(preset, "[*]\nngl = 5\n[other]\nmodel = /nowhere/m.gguf\n");
        var own = config with { Router = config.Router with { ModelsPreset = preset } };
        var model = config.Models["b"] with { Path = "/nowhere/m.gguf" };
        Assert.False(new ModelFacts(own, new Dictionary<string, string>()).Of(model).IsNoModel);
        File.AppendAllText(preset, "[b]\nmodel = /nowhere/m.gguf\n");
        Assert.True(new ModelFacts(own, new Dictionary<string, string>()).Of(model).IsNoModel);
    }

    [Fact]
    public void A_wrapper_around_llama_server_may_find_what_is_not_here()
    {
        File.Delete(config.Models["b"].Path);
        Assert.False(check.Judge("b").Fits);
        var wrapped = config with { Router = config.Router with { Binary = Program("llama-in-a-container") } };
        Assert.Null(Check(wrapped, false).Judge("b").Fits);
    }

    [Fact]
    public void A_file_that_was_replaced_is_read_again()
    {
        Assert.NotEmpty(check.Plan("b").Devices);
        File.WriteAllText(config.Models["b"].Path, "GGUF of a version that is none");

        Assert.Null(check.Judge("b").Fits);
    }

    [Fact]
    public async Task Requests_share_a_look_for_a_second()
    {
        var first = await check.JudgeAsync("b", default);
        Assert.Same(first, await check.JudgeAsync("b", default));
        Assert.Equal(1, readings);

        folder.Time.Advance(TimeSpan.FromSeconds(1));

        await check.JudgeAsync("b", default);
        Assert.Equal(2, readings);
    }

    [Fact]
    public void The_newest_snapshot_of_the_last_conversation_is_told()
    {
        var question = StateFolder.User("hello").Json;
        var hash = default(MessageHash).Next(question.Span);
        Assert.True(store.Append(new TurnWrite("s", null, null, null, [new NewMessage("user", question, hash, null)]), _ => false)
            .Stored);
        var key = store.Find("s")!.Key;
        Assert.Null(store.AddSnapshot(new StoredSnapshot("f", key, "b", "print", "b", hash, 900, 1, 1), "boot"));

        Assert.Equal(new PlannedSnapshot("s", 900), check.Plan("b").Warm.Snapshot);
    }
}
