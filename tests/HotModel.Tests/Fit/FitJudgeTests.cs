using HotModel.Fit;
using HotModel.Gpu;

namespace HotModel.Tests.Fit;

/// <summary>Numbers in, verdict out. The model has 4 GiB of weights and takes 4 KiB of cache for each token.</summary>
public sealed class FitJudgeTests
{
    private const long Gibibyte = 1L << 30;
    private const long Mebibyte = 1L << 20;
    private const long Margin = DeviceFit.MarginBytes;

    private static readonly ModelShape Shape = new()
    {
        Layers = [new LayerShape(1024, 1024, false, 0)],
        Tensors = [new GgufTensor("blk.0.ffn_up.weight", GgmlType.F16, [1 << 15, 1 << 16], 0, 4 * Gibibyte)],
        TrainedContext = 4096,
        Embedding = 64,
        Vocabulary = 0,
        WindowTokens = 0,
        Heads = 8,
        QueryWidth = 64,
        InnerWidth = 64,
        IsEncoder = false,
        SharesEmbedding = false,
    };

    private static FitQuestion Ask(string arguments, params GpuDevice[] gpus) => new()
    {
        Model = "big",
        Fact = new ModelFact(Shape, null, FitSettings.Read(arguments.Split(' ')), "build", "print"),
        IsLlamaServer = true,
        Gpus = gpus,
        BuildUsesGpu = true,
        Freed = gpus.Select(gpu => gpu.Id).Append(DeviceFit.CpuId).ToDictionary(id => id, _ => default(FreedMemory)),
        FreeCpuBytes = 64 * Gibibyte,
    };

    private static GpuDevice Gpu(long free, string id = "GPU-0") => new(id, "RTX", 0, free);

    private static Dictionary<string, FreedMemory> Freeing(long bytes) => new()
    {
        ["GPU-0"] = new FreedMemory(bytes, FitSource.Ledger),
        [DeviceFit.CpuId] = default,
    };

    private static Dictionary<string, long> Took(long bytes) => new() { ["GPU-0"] = bytes };

    [Fact]
    public void What_is_free_and_what_is_freed_less_the_margin_counts()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(Gibibyte));
        var needed = FitJudge.Judge(question).Devices[0].NeededBytes!.Value;
        var freed = needed + Margin - Gibibyte;

        Assert.True(FitJudge.Judge(question with { Freed = Freeing(freed) }).Fits);
        Assert.False(FitJudge.Judge(question with { Freed = Freeing(freed - 1) }).Fits);
    }

    /// <summary>Nor is it asked whether the numbers are right: there is nothing to load.</summary>
    [Fact]
    public void Missing_file_and_one_that_is_no_model_are_refused_whatever_was_loaded_before()
    {
        var question = Ask("-ngl 99", Gpu(Gibibyte)) with
        {
            Fact = new ModelFact(null, "/m.gguf does not exist", new FitSettings(), "build", null) { IsNoModel = true },
            HasLoaded = true,
            Doubt = "there may be a GPU whose memory cannot be read",
        };

        var verdict = FitJudge.Judge(question);

        Assert.False(verdict.Fits);
        Assert.Equal("The model \"big\" cannot be loaded: /m.gguf does not exist.", verdict.Reason);
        Assert.Null(FitJudge.Judge(question with { IsLlamaServer = false }).Fits);
        Assert.Null(FitJudge.Judge(question with { Fact = question.Fact with { IsNoModel = false } }).Fits);
    }

    [Fact]
    public void What_was_measured_needs_no_margin()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(Gibibyte)) with { Ledger = Took(5 * Gibibyte) };

        Assert.True(FitJudge.Judge(question with { Freed = Freeing(4 * Gibibyte) }).Fits);
        Assert.False(FitJudge.Judge(question with { Freed = Freeing((4 * Gibibyte) - 1) }).Fits);
    }

    [Fact]
    public void A_measured_footprint_overrides_the_estimate()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(8 * Gibibyte));

        var estimated = Assert.Single(FitJudge.Judge(question).Devices);
        var measured = Assert.Single(FitJudge.Judge(question with { Ledger = Took(3 * Gibibyte) }).Devices);

        Assert.Equal(FitSource.Estimate, estimated.Source);
        Assert.InRange(estimated.NeededBytes!.Value, 4 * Gibibyte, 5 * Gibibyte);
        Assert.Equal((FitSource.Ledger, (long?)(3 * Gibibyte)), (measured.Source, measured.NeededBytes));
    }

    [Fact]
    public void A_process_takes_its_own_beside_the_model()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(8 * Gibibyte));

        var without = FitJudge.Judge(question).Devices[0].NeededBytes;
        var with = FitJudge.Judge(question with { GpuProcessBytes = 300 * Mebibyte }).Devices[0].NeededBytes;

        Assert.Equal(300 * Mebibyte, with - without);
    }

    [Fact]
    public void A_refusal_has_the_numbers_and_the_largest_context_that_would_fit()
    {
        var question = Ask("-ngl 99 -c 4194304", Gpu(8 * Gibibyte));

        var verdict = FitJudge.Judge(question);

        Assert.False(verdict.Fits);
        // 4 KiB a token, 4 GiB of weights and the margin: some 900,000 tokens find room.
        Assert.InRange(verdict.LargestContext!.Value, 500_000, 1_000_000);
        Assert.Contains("ctx_size 4194304", verdict.Reason, StringComparison.Ordinal);
        Assert.Contains("RTX has 8192 MiB free", verdict.Reason, StringComparison.Ordinal);
        Assert.Contains($"largest ctx_size that would fit is {verdict.LargestContext}", verdict.Reason, StringComparison.Ordinal);
        var fitting = question with { Fact = question.Fact with { Settings = With(verdict.LargestContext.Value) } };
        Assert.True(FitJudge.Judge(fitting).Fits);
        var longer = question with { Fact = question.Fact with { Settings = With(verdict.LargestContext.Value + 256) } };
        Assert.False(FitJudge.Judge(longer).Fits);

        static FitSettings With(long tokens) => FitSettings.Read(["-ngl", "99", "-c", tokens.ToString((IFormatProvider?)null)]);
    }

    [Fact]
    public void Where_the_ledger_says_more_than_the_estimate_so_much_less_context_fits()
    {
        var question = Ask("-ngl 99 -c 4194304", Gpu(8 * Gibibyte));
        var estimated = FitJudge.Judge(question);

        var measured = FitJudge.Judge(question with { Ledger = Took(estimated.Devices[0].NeededBytes!.Value + Gibibyte) });

        // Gibibyte / 4 KiB, less what the mask of the attention takes for each token.
        Assert.InRange(estimated.LargestContext!.Value - measured.LargestContext!.Value, 100_000, Gibibyte / 4096);
    }

    [Fact]
    public void Weights_alone_that_do_not_fit_leave_no_context()
    {
        var verdict = FitJudge.Judge(Ask("-ngl 99 -c 4096", Gpu(3 * Gibibyte)));

        Assert.Equal((false, (long?)null), (verdict.Fits, verdict.LargestContext));
        Assert.EndsWith("No ctx_size would fit.", verdict.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-c 4096", "--fit")] // gpu_layers not set
    [InlineData("-ngl auto -c 4096", "--fit")]
    [InlineData("-ngl 99", "--fit")] // ctx_size not set
    [InlineData("-ngl 99 -c 4096 -ot exps=CPU", "-ot")]
    [InlineData("-ngl 99 -c 4096 -sm row", "--split-mode row")]
    public void What_llama_server_may_lessen_is_not_refused(string arguments, string why)
    {
        var verdict = FitJudge.Judge(Ask(arguments, Gpu(3 * Gibibyte)));

        Assert.Null(verdict.Fits);
        Assert.Contains(why, verdict.Reason, StringComparison.Ordinal);
        Assert.False(Assert.Single(verdict.Devices).Fits);
    }

    [Theory]
    [InlineData("-ngl 99 -c 4096")]
    [InlineData("-ngl all -c 4096")]
    [InlineData("-c 4096 --fit off")]
    public void What_llama_server_takes_as_it_is_told_is_refused(string arguments) =>
        Assert.False(FitJudge.Judge(Ask(arguments, Gpu(3 * Gibibyte))).Fits);

    [Fact]
    public void A_build_that_was_not_seen_on_the_gpu_is_not_refused()
    {
        var verdict = FitJudge.Judge(Ask("-ngl 99 -c 4096", Gpu(3 * Gibibyte)) with { BuildUsesGpu = null });

        Assert.Null(verdict.Fits);
        Assert.Contains("not known whether it computes on the GPU", verdict.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_build_without_gpu_is_judged_by_the_machines_memory()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(3 * Gibibyte)) with { BuildUsesGpu = false };

        var verdict = FitJudge.Judge(question);

        Assert.True(verdict.Fits);
        Assert.Equal(DeviceFit.CpuId, Assert.Single(verdict.Devices).Id);
        Assert.False(FitJudge.Judge(question with { FreeCpuBytes = Margin }).Fits);
    }

    [Fact]
    public void An_unknown_amount_that_comes_back_is_not_refused()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(3 * Gibibyte)) with { Freed = new Dictionary<string, FreedMemory>() };

        var verdict = FitJudge.Judge(question);

        Assert.Null(verdict.Fits);
        Assert.Contains("not known what the loaded model gives back", verdict.Reason, StringComparison.Ordinal);
        Assert.True(FitJudge.Judge(question with { Gpus = [Gpu(8 * Gibibyte)] }).Fits);
    }

    [Fact]
    public void A_doubt_of_the_caller_is_not_refused()
    {
        var verdict = FitJudge.Judge(Ask("-ngl 99 -c 4096", Gpu(3 * Gibibyte)) with { Doubt = "it rains" });

        Assert.Equal((null, "By the numbers it does not fit, but it rains."), (verdict.Fits, verdict.Reason));
    }

    [Fact]
    public void Without_a_shape_nothing_is_refused_and_the_reason_is_told()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(3 * Gibibyte));

        var verdict = FitJudge.Judge(question with { Fact = question.Fact with { Shape = null, Error = "m.gguf is torn" } });

        Assert.Equal((null, "It is not known what it needs: m.gguf is torn."), (verdict.Fits, verdict.Reason));
    }

    [Fact]
    public void A_footprint_is_enough_where_the_file_does_not_tell()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(3 * Gibibyte)) with { Ledger = Took(2 * Gibibyte) };

        var verdict = FitJudge.Judge(question with { Fact = question.Fact with { Shape = null, Error = "m.gguf is torn" } });

        Assert.True(verdict.Fits);
    }

    [Fact]
    public void Layers_are_shared_out_by_what_is_free_and_each_gpu_has_to_hold_its_own()
    {
        var question = Ask("-ngl 99 -c 4096", Gpu(24 * Gibibyte), Gpu(Gibibyte, "GPU-1"));

        var verdict = FitJudge.Judge(question);

        Assert.True(verdict.Fits);
        Assert.True(verdict.Devices[0].NeededBytes > 4 * Gibibyte);
        // The only layer goes to the first; told to go to the second it does not fit there.
        var told = question with { Fact = question.Fact with { Settings = FitSettings.Read("-ngl 99 -c 4096 -ts 0,1".Split(' ')) } };
        Assert.Equal([true, false], FitJudge.Judge(told).Devices.Select(device => device.Fits));
    }

    [Theory]
    [InlineData("-c 262144", true)] // a GiB of cache; the weights are pages of the file
    [InlineData("-c 1048576", false)]
    [InlineData("-c 4096 --load-mode none", false)]
    [InlineData("-c 4096 --mlock", false)]
    [InlineData("-c 4096 --load-mode mmap", true)]
    public void On_the_cpu_the_weights_count_only_where_they_are_not_mapped(string arguments, bool fits)
    {
        var verdict = FitJudge.Judge(Ask(arguments) with { FreeCpuBytes = 3 * Gibibyte });

        Assert.Equal(fits, verdict.Fits);
        Assert.Equal(DeviceFit.CpuId, Assert.Single(verdict.Devices).Id);
    }

    [Fact]
    public void On_the_cpu_too_the_largest_context_is_the_last_that_fits()
    {
        var verdict = FitJudge.Judge(Ask("-c 1048576") with { FreeCpuBytes = 3 * Gibibyte });

        Assert.InRange(verdict.LargestContext!.Value, 262_144, 1_048_575);
        Assert.True(FitJudge.Judge(Ask($"-c {verdict.LargestContext}") with { FreeCpuBytes = 3 * Gibibyte }).Fits);
    }

    [Fact]
    public void A_cache_that_stays_on_the_cpu_has_to_fit_there()
    {
        var question = Ask("-ngl 99 -c 1048576 -nkvo", Gpu(8 * Gibibyte)) with { FreeCpuBytes = 3 * Gibibyte };

        Assert.Equal([true, false], FitJudge.Judge(question).Devices.Select(device => device.Fits));
    }

    [Fact]
    public void Where_no_memory_is_told_nothing_is_refused() =>
        Assert.Null(FitJudge.Judge(Ask("-c 1048576") with { FreeCpuBytes = null }).Fits);

    [Fact]
    public void A_draft_model_that_is_not_in_the_estimate_is_noted() => Assert.Equal(
        ["The draft model is not in the estimate."],
        FitJudge.Judge(Ask("-ngl 99 -c 4096 -md draft.gguf", Gpu(8 * Gibibyte))).Notes);
}
