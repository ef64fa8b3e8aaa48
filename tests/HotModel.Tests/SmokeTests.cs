namespace HotModel.Tests;

public class SmokeTests
{
    [Fact]
    public void Admission_default_has_neither() => Assert.Null(default(HotModel.Switching.Admission).Lease);
}
