using HotModel.Llama;

namespace HotModel.Tests.Llama;

public class LoadFailureClassifierTests
{
    private static readonly LoadExit Exit = LoadExit.OfRouterChild(wasLoaded: false, "llama-server.log");

    // Lines of llama-server 0.7.0 where they name gguf, argument or port; of the ggml backends as reported upstream.
    [Theory]
    [InlineData(LoadFailureReason.OutOfMemory, "device 1",
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 9866.00 MiB on device 1: cudaMalloc failed: " +
        "out of memory")]
    [InlineData(LoadFailureReason.OutOfMemory, "9866.00 MiB",
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 9866.00 MiB on device 1: cudaMalloc failed: " +
        "out of memory")]
    [InlineData(LoadFailureReason.OutOfMemory, "CUDA0",
        "llama_model_load: error loading model: unable to allocate CUDA0 buffer")]
    [InlineData(LoadFailureReason.OutOfMemory, "ROCm0",
        "ggml_gallocr_reserve_n: failed to allocate ROCm0 buffer of size 14822711296")]
    [InlineData(LoadFailureReason.OutOfMemory, "Vulkan",
        "ggml_vulkan: Device memory allocation of size 369827840 failed.")]
    [InlineData(LoadFailureReason.OutOfMemory, "Vulkan",
        "ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory")]
    [InlineData(LoadFailureReason.OutOfMemory, "Metal",
        "error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)")]
    [InlineData(LoadFailureReason.OutOfMemory, "Metal",
        "ggml_backend_metal_buffer_type_alloc_buffer: error: failed to allocate buffer, size = 8192.00 MiB")]
    [InlineData(LoadFailureReason.OutOfMemory, "the host",
        "[46237] 0.00.015.441 E llama_init_from_model: failed to initialize the context: std::bad_alloc")]
    [InlineData(LoadFailureReason.MissingFile, "'/m/none.gguf'",
        "[58793] 0.00.016.355 E gguf_init_from_file: failed to open GGUF file '/m/none.gguf' (No such file " +
        "or directory)")]
    [InlineData(LoadFailureReason.CorruptFile, "not a GGUF",
        "[57927] 0.00.012.282 E gguf_init_from_reader: invalid magic characters: 'hell', expected 'GGUF'")]
    [InlineData(LoadFailureReason.CorruptFile, "not a GGUF",
        "[39765] 0.00.012.013 E gguf_init_from_reader: failed to read magic")]
    [InlineData(LoadFailureReason.CorruptFile, "'zlama'",
        "[59071] 0.00.012.387 E llama_model_load: error loading model: unknown model architecture: 'zlama'")]
    [InlineData(LoadFailureReason.CorruptFile, "incomplete",
        "[39975] 0.00.012.199 E llama_model_load: error loading model: tensor 'blk.0.ffn_gate.weight' data " +
        "is not within the file bounds, model is corrupted or incomplete")]
    [InlineData(LoadFailureReason.UnknownFlag, "'--frob'", "error: invalid argument: --frob")]
    [InlineData(LoadFailureReason.UnknownFlag, "'--ctx-size'",
        "[52427] error while handling argument \"--ctx-size\": stoi")]
    [InlineData(LoadFailureReason.UnknownFlag, "'frobnicate'",
        "0.00.011.728 E srv  llama_server: failed to initialize router models: option 'frobnicate' not " +
        "recognized in preset 'a'")]
    [InlineData(LoadFailureReason.PortInUse, "28412",
        "0.00.011.952 E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 28412")]
    [InlineData(LoadFailureReason.BinaryMissing, "'/x/llama-server'",
        "hotmodel: cannot run '/x/llama-server': Exec format error")]
    [InlineData(LoadFailureReason.BinaryMissing, "libggml",
        "llama-server: error while loading shared libraries: libggml.so: cannot open shared object file: No " +
        "such file or directory")]
    [InlineData(LoadFailureReason.Exited, "GGML_ASSERT(n > 0) failed", "GGML_ASSERT(n > 0) failed")]
    public void Classify_line_gives_reason_and_names_the_cause(object reason, string named, string line)
    {
        var failure = LoadFailureClassifier.Classify(
            ["0.00 I before", line, "0.00 I after"], Exit, "a", "/m/a.gguf");

        Assert.Equal(reason, failure.Reason);
        Assert.Contains(named, failure.Error);
        Assert.Equal(3, failure.LogTail.Count);
    }

    [Fact]
    public void Classify_missing_file_wins_over_the_general_loader_error()
    {
        var failure = LoadFailureClassifier.Classify(
            [
                "[1] 0.1 E gguf_init_from_file: failed to open GGUF file '/m/none.gguf' (No such file or directory)",
                "[1] 0.1 E llama_model_load: error loading model: llama_model_loader: failed to load model from /m",
                "[1] 0.1 E srv  llama_server: exiting due to model loading error",
            ],
            Exit, "a", "/m/none.gguf");

        Assert.Equal(LoadFailureReason.MissingFile, failure.Reason);
    }

    [Fact]
    public void Classify_out_of_memory_joins_the_size_and_the_device_of_two_lines()
    {
        var failure = LoadFailureClassifier.Classify(
            [
                "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 144817.04 MiB on device 0: "
                    + "cudaMalloc failed: out of memory",
                "alloc_tensor_range: failed to allocate CUDA0 buffer of size 151851674624",
            ],
            Exit, "a", null);

        Assert.Contains("144817.04 MiB", failure.Error);
        Assert.Contains("device 0", failure.Error);
    }

    [Fact]
    public void Classify_pinned_memory_warning_is_no_reason()
    {
        var failure = LoadFailureClassifier.Classify(
            ["ggml_vulkan: Failed to allocate pinned memory, buffer"], Exit, "a", null);

        Assert.Equal(LoadFailureReason.Killed, failure.Reason);
    }

    [Theory]
    [InlineData(137, LoadFailureReason.Killed, "signal 9")]
    [InlineData(139, LoadFailureReason.Exited, "signal 11")]
    [InlineData(3, LoadFailureReason.Exited, "status 3")]
    public void Classify_silent_end_is_told_by_the_status(int status, object reason, string named)
    {
        var failure = LoadFailureClassifier.Classify(["0.1 I all well"], new LoadExit(status), "a", null);

        Assert.Equal(reason, failure.Reason);
        Assert.Contains(named, failure.Error);
    }

    [Fact]
    public void Classify_end_without_a_word_may_have_been_a_crash_and_points_to_the_log()
    {
        var failure = LoadFailureClassifier.Classify(
            ["0.1 I all well"], LoadExit.OfRouterChild(wasLoaded: true, "llama-server-2.log"), "a", null);

        Assert.Equal(
            "The process of model 'a' ended unexpectedly: a crash, or killed from outside, perhaps by the kernel for lack of "
            + "memory; see llama-server-2.log.",
            failure.Error);
    }

    [Fact]
    public void Classify_loaded_model_is_not_blamed_for_the_errors_of_its_requests()
    {
        var failure = LoadFailureClassifier.Classify(
            ["[1] 0.1 E srv send_error: the request is too long", "[1] 0.1 E open x: No such file or directory"],
            LoadExit.OfRouterChild(wasLoaded: true, "llama-server-2.log"), "a", null);

        Assert.Equal(LoadFailureReason.Killed, failure.Reason);
    }

    [Fact]
    public void Classify_unknown_complaint_is_quoted_without_its_prefix()
    {
        var failure = LoadFailureClassifier.Classify(
            ["[1] 0.00.012.387 E srv  llama_server: the moon is wrong."], Exit, "a", null);

        Assert.Equal(LoadFailureReason.Exited, failure.Reason);
        Assert.EndsWith("ended: srv  llama_server: the moon is wrong.", failure.Error);
    }

    [Fact]
    public void Classify_loading_error_is_told_by_its_first_complaint()
    {
        // llama-server 0.7.0 with --cache-type-v q8_0 --flash-attn off.
        var failure = LoadFailureClassifier.Classify(
            [
                "[1] 0.00.009.321 W load: no end of generation token",
                "[1] 0.00.013.537 E llama_init_from_model: quantized V cache requires flash_attn to be enabled",
                "[1] 0.00.013.644 E common_fit_params: encountered an error while trying to fit params to free device memory: "
                    + "failed to create llama_context from model",
                "[1] 0.00.014.837 E cmn  common_init_: failed to create context with model '/m/a.gguf'",
                "[1] 0.00.014.840 I srv    operator(): operator(): cleaning up before exit...",
                "[1] 0.00.015.236 E srv  llama_server: exiting due to model loading error",
            ],
            Exit, "a", "/m/a.gguf");

        Assert.Equal(
            (LoadFailureReason.Exited,
                "The process of model 'a' ended: llama_init_from_model: quantized V cache requires flash_attn to be enabled."),
            (failure.Reason, failure.Error));
    }

    [Fact]
    public void Classify_loading_error_without_another_complaint_is_quoted_itself()
    {
        var failure = LoadFailureClassifier.Classify(
            ["[1] 0.00.015.236 E srv  llama_server: exiting due to model loading error"], Exit, "a", "/m/a.gguf");

        Assert.EndsWith("exiting due to model loading error.", failure.Error);
    }

    [Fact]
    public void Classify_long_log_keeps_its_end()
    {
        var failure = LoadFailureClassifier.Classify(
            [.. Enumerable.Range(0, 200).Select(i => $"line {i}")], Exit, "a", null);

        Assert.Equal("line 199", failure.LogTail[^1]);
        Assert.True(failure.LogTail.Count < 100);
    }

    [Fact]
    public void Lines_of_a_model_are_those_behind_its_latest_port()
    {
        string[] lines =
        [
            "0.1 I srv          load: spawning server instance with name=a on port 100",
            "[100] first",
            "0.2 I srv          load: spawning server instance with name=ab on port 300",
            "[300] other",
            "0.2 I srv          load: spawning server instance with name=a on port 200",
            "[200] second",
            "0.3 I srv           run: instance name=a exited with status 1",
        ];

        Assert.Equal(["[200] second"], RouterProcess.LinesOf("a", lines));
        Assert.Equal(lines, RouterProcess.LinesOf("unknown", lines));
    }
}
